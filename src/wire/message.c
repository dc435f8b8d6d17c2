/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/message.h"

#include <string.h>

#define REPLY_VALUES_MAX (4u << 20) /* a List of 65,000 CVMs */

/* The member's value if it is a boolean or null. */
static bool take_flag(json_object *value, bool *ret)
{
        if (value && !json_object_is_type(value, json_type_boolean))
                return false;
        *ret = value && json_object_get_boolean(value);
        return true;
}

static bool take_parameters(json_object *value, json_object **ret)
{
        if (value && !json_object_is_type(value, json_type_object))
                return false;
        *ret = value;
        return true;
}

/* Takes a member of a call. Returns NULL, or what is wrong with it. */
static const char *take_member(const char *key, json_object *value, WireMessageCall *call)
{
        bool *flag;

        if (strcmp(key, "method") == 0) {
                if (!json_object_is_type(value, json_type_string))
                        return "must be a string";
                call->method = json_object_get_string(value);
                return NULL;
        }
        if (strcmp(key, "parameters") == 0)
                return take_parameters(value, &call->parameters) ? NULL : "must be an object";
        if (strcmp(key, "oneway") == 0)
                flag = &call->oneway;
        else if (strcmp(key, "more") == 0)
                flag = &call->more;
        else if (strcmp(key, "upgrade") == 0)
                flag = &call->upgrade;
        else
                return "is not a member of a call: use method, parameters, oneway, more, upgrade";
        return take_flag(value, flag) ? NULL : "must be true or false";
}

/* What a client calls a place in its call: parameters by their own names. */
static const char *parameter_name(const char *path)
{
        static const char prefix[] = "parameters.";

        return strncmp(path, prefix, strlen(prefix)) == 0 ? path + strlen(prefix) : path;
}

int wire_message_parse_call(const char *data, size_t size, size_t values_max, WireMessageCall *ret)
{
        _cleanup_(wire_message_call_done) WireMessageCall call = {};
        _cleanup_free_ char *path = NULL;
        const char *bad = NULL, *reason = NULL;
        JsonParseError where = {};
        int r;

        r = json_parse_bounded(data, size, values_max, &call.root, &where);
        if (r == -EBADMSG) {
                r = json_parse_mended(data, size, values_max, &call.root, &path, &where);
                if (r == 0) {
                        bad = parameter_name(path);
                        reason = where.reason;
                }
        }
        if (r == -E2BIG)
                *ret = (WireMessageCall){.values = where.values};
        if (r < 0)
                return r;
        if (!json_object_is_type(call.root, json_type_object))
                return -EBADMSG;

        json_object_object_foreach (call.root, key, value) {
                const char *fault = take_member(key, value, &call);

                if (fault && !bad) {
                        bad = key;
                        reason = fault;
                }
        }

        if (!call.method)
                return -EBADMSG;
        if (!bad && call.oneway + call.more + call.upgrade > 1) {
                bad = call.oneway ? "oneway" : "upgrade";
                reason = "only one of oneway, more and upgrade may be true";
        }
        if (bad && call.oneway)
                return -EBADMSG;

        if (bad) {
                call.bad = strdup(bad);
                call.bad_reason = strdup(reason);
                if (!call.bad || !call.bad_reason)
                        return -ENOMEM;
        }
        *ret = TAKE_STRUCT(call);
        return bad ? -EINVAL : 0;
}

void wire_message_call_done(WireMessageCall *call)
{
        json_clear_strings(call->root); /* whatever became of it, some may be secrets */
        json_object_put(call->root);
        free(call->bad);
        free(call->bad_reason);
        *call = (WireMessageCall){};
}

/* An interface and a name in it; it may be shown on a terminal. */
static bool is_error_name(const char *s)
{
        size_t length = strspn(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                  "0123456789.-_");

        return length > 0 && !s[length] && strchr(s, '.');
}

int wire_message_parse_reply(const char *data, size_t size, WireMessageReply *ret)
{
        _cleanup_(wire_message_reply_done) WireMessageReply reply = {};
        int r;

        r = json_parse_bounded(data, size, REPLY_VALUES_MAX, &reply.root, NULL);
        if (r < 0)
                return r == -E2BIG ? -EBADMSG : r;
        if (!json_object_is_type(reply.root, json_type_object))
                return -EBADMSG;

        json_object_object_foreach (reply.root, key, value) {
                bool good;

                if (strcmp(key, "parameters") == 0) {
                        good = take_parameters(value, &reply.parameters);
                } else if (strcmp(key, "continues") == 0) {
                        good = take_flag(value, &reply.continues);
                } else if (strcmp(key, "error") == 0) {
                        good = json_object_is_type(value, json_type_string) &&
                               is_error_name(json_object_get_string(value));
                        if (good)
                                reply.error = json_object_get_string(value);
                } else {
                        good = false;
                }
                if (!good)
                        return -EBADMSG;
        }
        if (reply.error && reply.continues)
                return -EBADMSG;

        *ret = TAKE_STRUCT(reply);
        return 0;
}

void wire_message_reply_done(WireMessageReply *reply)
{
        json_object_put(reply->root);
        *reply = (WireMessageReply){};
}

/* parameters as text, then `end` and the NUL byte */
static int append_parameters(Buffer *buffer, json_object *parameters, const char *end)
{
        size_t length = 2;
        const char *text = "{}";
        int r;

        if (parameters) {
                text = json_object_to_json_string_length(
                        parameters, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE,
                        &length);
                if (!text)
                        return -ENOMEM;
        }
        r = buffer_append(buffer, text, length);
        if (r < 0)
                return r;
        return buffer_append(buffer, end, strlen(end) + 1);
}

int wire_message_append_call(Buffer *buffer, const char *method, json_object *parameters,
                             WireCallKind kind)
{
        static const char *const ends[] = {
                [WIRE_CALL_PLAIN] = "}",
                [WIRE_CALL_ONEWAY] = ",\"oneway\":true}",
                [WIRE_CALL_MORE] = ",\"more\":true}",
                [WIRE_CALL_UPGRADE] = ",\"upgrade\":true}",
        };
        _cleanup_json_ json_object *name = json_new_text(method);
        int r;

        r = buffer_appendf(buffer, "{\"method\":%s,\"parameters\":", json_text(name));
        return r < 0 ? r : append_parameters(buffer, parameters, ends[kind]);
}

int wire_message_append_reply(Buffer *buffer, json_object *parameters, bool continues)
{
        int r = buffer_append_text(buffer, "{\"parameters\":");

        if (r < 0)
                return r;
        return append_parameters(buffer, parameters, continues ? ",\"continues\":true}" : "}");
}

int wire_message_make_data_reply(const void *data, size_t size, const char *more, bool continues,
                                 Buffer *ret)
{
        static const char begin[] = "{\"parameters\":{\"data\":\"";
        _cleanup_free_ char *end =
                text_format("\"%s}%s}", more ?: "", continues ? ",\"continues\":true" : "");
        size_t length = text_base64_length(size);
        char *text = end ? buffer_make(ret, strlen(begin) + length + strlen(end) + 1) : NULL;

        if (!text)
                return -ENOMEM;
        memcpy(text, begin, strlen(begin));
        text_base64_write(data, size, text + strlen(begin));
        memcpy(text + strlen(begin) + length, end, strlen(end) + 1);
        return 0;
}

int wire_message_append_error(Buffer *buffer, const char *name, json_object *parameters)
{
        _cleanup_json_ json_object *text = json_new_text(name);
        int r;

        r = buffer_appendf(buffer, "{\"error\":%s,\"parameters\":", json_text(text));
        return r < 0 ? r : append_parameters(buffer, parameters, "}");
}
