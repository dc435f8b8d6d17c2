/* SPDX-License-Identifier: Apache-2.0 */
#include "qmp/message.h"

#include <string.h>

#include "base/json.h"

#define VERSION_PART_MAX 9999

static json_object *member_of_type(json_object *object, const char *key, json_type type)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, type) ? value : NULL;
}

static const char *parse_greeting(QmpMessage *message)
{
        static const char *const parts[] = {"major", "minor", "micro"};
        json_object *qmp = member_of_type(message->root, "QMP", json_type_object), *qemu;

        qemu = member_of_type(qmp, "version", json_type_object);
        qemu = member_of_type(qemu, "qemu", json_type_object);
        if (!qemu || !member_of_type(qmp, "capabilities", json_type_array))
                return "a malformed greeting";
        for (size_t i = 0; i < ARRAY_SIZE(parts); i++) {
                int64_t part = json_member_int(qemu, parts[i], -1);

                if (part < 0 || part > VERSION_PART_MAX)
                        return "a malformed greeting";
                message->version[i] = (unsigned)part;
        }
        return NULL;
}

static const char *parse_id(QmpMessage *message)
{
        if (!json_member(message->root, "id"))
                return "a reply without an id";
        message->id = json_member_int(message->root, "id", 0);
        return message->id > 0 ? NULL : "a reply with an unknown id";
}

static const char *parse_return(QmpMessage *message)
{
        message->payload = json_member(message->root, "return");
        if (!message->payload)
                return "a malformed reply";
        return parse_id(message);
}

static const char *qmp_message_parse_error(QmpMessage *message)
{
        json_object *error = member_of_type(message->root, "error", json_type_object);

        message->error_class = json_member_string(error, "class");
        message->error_text = json_member_string(error, "desc");
        if (!message->error_class || !message->error_text)
                return "a malformed error";
        return parse_id(message);
}

static bool event_name_is_valid(const char *name)
{
        size_t length = strlen(name);

        return length > 0 && length <= QMP_EVENT_NAME_MAX &&
               strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_") == length;
}

static const char *qmp_message_parse_event(QmpMessage *message)
{
        json_object *stamp = member_of_type(message->root, "timestamp", json_type_object);

        message->event = json_member_string(message->root, "event");
        if (!message->event || !event_name_is_valid(message->event))
                return "a malformed event";
        /* both parts are -1 where QEMU could not read its clock */
        if (!member_of_type(stamp, "seconds", json_type_int) ||
            !member_of_type(stamp, "microseconds", json_type_int))
                return "an event without a timestamp";

        if (!json_object_object_get_ex(message->root, "data", &message->payload)) {
                message->payload = json_object_new_object();
                if (!message->payload)
                        return "out of memory";
                json_object_object_add(message->root, "data", message->payload);
        }
        return json_object_is_type(message->payload, json_type_object) ? NULL : "a malformed event";
}

const char *qmp_message_parse(const char *line, size_t size, QmpMessage *ret)
{
        static const struct {
                const char *member;
                QmpMessageKind kind;
                const char *(*parse)(QmpMessage *message);
        } kinds[] = {
                {"QMP", QMP_MESSAGE_GREETING, parse_greeting},
                {"return", QMP_MESSAGE_RETURN, parse_return},
                {"error", QMP_MESSAGE_ERROR, qmp_message_parse_error},
                {"event", QMP_MESSAGE_EVENT, qmp_message_parse_event},
        };
        _cleanup_(qmp_message_done) QmpMessage message = {};
        const char *(*parse)(QmpMessage *) = NULL;
        const char *reason;
        int r;

        r = json_parse(line, size, &message.root, NULL);
        if (r < 0)
                return r == -ENOMEM ? "out of memory" : "a message that is not valid JSON";
        if (!json_object_is_type(message.root, json_type_object))
                return "a message that is not an object";

        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++) {
                if (!json_object_object_get_ex(message.root, kinds[i].member, NULL))
                        continue;
                if (parse)
                        return "a message of more than one kind";
                parse = kinds[i].parse;
                message.kind = kinds[i].kind;
        }
        if (!parse)
                return "a message of an unknown kind";
        reason = parse(&message);
        if (reason)
                return reason;

        *ret = message;
        message.root = NULL;
        return NULL;
}

void qmp_message_done(QmpMessage *message)
{
        json_object_put(message->root);
        *message = (QmpMessage){};
}
