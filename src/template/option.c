/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "template/template_internal.h"

/*
 * Options that are lists of key=value, with the key that may be left out before an option's first
 * value (QEMU's implied_opt_name and the discriminators of QAPI unions; "": there is none). A
 * scalar given to one of these is the value of that key; all other options take plain text.
 */
static const struct {
        const char *option, *key;
} lists[] = {
        {"accel", "accel"},     {"acpitable", ""},      {"add-fd", ""},
        {"audiodev", "driver"}, {"blockdev", "driver"}, {"boot", "order"},
        {"chardev", "backend"}, {"cpu", "model"},       {"device", "driver"},
        {"display", "type"},    {"drive", ""},          {"fsdev", "fsdriver"},
        {"fw_cfg", "name"},     {"icount", "shift"},    {"m", "size"},
        {"machine", "type"},    {"mon", "chardev"},     {"msg", ""},
        {"name", "guest"},      {"netdev", "type"},     {"nic", "type"},
        {"numa", "type"},       {"object", "qom-type"}, {"overcommit", ""},
        {"rtc", "base"},        {"sandbox", "enable"},  {"smbios", ""},
        {"smp", "cpus"},        {"spice", ""},          {"tpmdev", "type"},
        {"trace", "enable"},    {"virtfs", "fsdriver"}, {"vnc", "vnc"},
};

/* Options that QEMU also takes as a JSON object. */
static const char *const json_options[] = {"audiodev", "blockdev", "device",
                                           "display",  "netdev",   "object"};

/* Returns NULL if the option is not a list. */
static const char *implied_key(const char *option)
{
        for (size_t i = 0; i < ARRAY_SIZE(lists); i++)
                if (strcmp(lists[i].option, option) == 0)
                        return lists[i].key;
        return NULL;
}

static bool takes_json(const char *option)
{
        for (size_t i = 0; i < ARRAY_SIZE(json_options); i++)
                if (strcmp(json_options[i], option) == 0)
                        return true;
        return false;
}

static bool holds_objects(json_object *object)
{
        json_object_object_foreach (object, key, value) {
                (void)key;
                if (json_object_is_type(value, json_type_object))
                        return true;
                if (!json_object_is_type(value, json_type_array))
                        continue;
                for (size_t i = 0; i < json_object_array_length(value); i++)
                        if (json_object_is_type(json_object_array_get_idx(value, i),
                                                json_type_object))
                                return true;
        }
        return false;
}

static bool is_scalar(json_object *value)
{
        return json_object_is_type(value, json_type_string) ||
               json_object_is_type(value, json_type_int) ||
               json_object_is_type(value, json_type_boolean);
}

/* The text of a scalar; NULL if it has a NUL inside. */
static const char *scalar_text(json_object *value)
{
        if (json_object_is_type(value, json_type_boolean))
                return json_object_get_boolean(value) ? "on" : "off";
        if (json_object_is_type(value, json_type_string) &&
            strlen(json_object_get_string(value)) != (size_t)json_object_get_string_len(value))
                return NULL;
        return json_object_get_string(value);
}

static bool is_key(const char *key)
{
        return *key && key[strspn(key, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                       "0123456789-_.:")] == 0;
}

/* A comma in a value is written twice (QEMU's option syntax); there is no other special character,
 * but -cpu knows no doubled commas. */
static int option_write_value(const char *option, const char *text, Buffer *ret,
                              const char **ret_reason)
{
        if (strcmp(option, "cpu") == 0 && strchr(text, ',')) {
                *ret_reason =
                        "-cpu does not accept a comma in a value; write its features as members";
                return -EINVAL;
        }
        while (*text) {
                size_t n = strcspn(text, ",");

                if (buffer_append(ret, text, n) < 0 ||
                    (text[n] && buffer_append_text(ret, ",,") < 0))
                        return -ENOMEM;
                text += n + (text[n] == ',');
        }
        return 0;
}

static int write_pair(const char *option, const char *key, json_object *value, bool first,
                      Buffer *ret, const char **ret_reason)
{
        const char *implied = implied_key(option), *text;
        int r = first ? 0 : buffer_append_text(ret, ",");

        *ret_reason = "must be a string, an integer, true, false or a list of these";
        if (!is_scalar(value))
                return -EINVAL;
        text = scalar_text(value);
        *ret_reason = "has a NUL character";
        if (!text)
                return -EINVAL;
        /* without its key a value that is empty or has a '=' would be taken for another thing */
        if (r == 0 &&
            !(first && implied && strcmp(implied, key) == 0 && *text && !strchr(text, '=')))
                r = buffer_appendf(ret, "%s=", key);
        return r < 0 ? r : option_write_value(option, text, ret, ret_reason);
}

static int write_list(const char *option, json_object *value, Buffer *ret, const char **ret_key,
                      const char **ret_reason)
{
        bool first = true;

        json_object_object_foreach (value, key, member) {
                bool several = json_object_is_type(member, json_type_array);
                size_t n = several ? json_object_array_length(member) : 1;

                *ret_key = key;
                *ret_reason = "not a key of an option";
                if (!is_key(key))
                        return -EINVAL;
                for (size_t i = 0; i < n; i++) {
                        json_object *item = several ? json_object_array_get_idx(member, i) : member;
                        int r = write_pair(option, key, item, first, ret, ret_reason);

                        if (r < 0)
                                return r;
                        first = false;
                }
        }
        *ret_key = NULL;
        *ret_reason = "an object without members";
        return first ? -EINVAL : 0;
}

static int write_scalar(const char *option, json_object *value, Buffer *ret,
                        const char **ret_reason)
{
        const char *implied = implied_key(option), *text = scalar_text(value);

        *ret_reason = "this option requires an object of its keys and values";
        if (implied && !*implied)
                return -EINVAL;
        if (implied)
                return write_pair(option, implied, value, true, ret, ret_reason);
        *ret_reason = "has a NUL character";
        return text ? buffer_append_text(ret, text) : -EINVAL;
}

int option_write(const char *option, json_object *value, Buffer *ret, bool *ret_has_value,
                 const char **ret_key, const char **ret_reason)
{
        *ret_key = NULL;
        *ret_has_value = false;
        if (!value ||
            (json_object_is_type(value, json_type_boolean) && json_object_get_boolean(value)))
                return 0;
        *ret_has_value = true;
        if (json_object_is_type(value, json_type_object)) {
                if (!holds_objects(value))
                        return write_list(option, value, ret, ret_key, ret_reason);
                *ret_reason = "this option does not accept an object within an object";
                return takes_json(option) ? buffer_append_text(ret, json_text(value)) : -EINVAL;
        }
        *ret_reason = "must be null or true for an option without a value, a string, an integer or "
                      "an object; use `when` instead of false";
        if (!is_scalar(value) || json_object_is_type(value, json_type_boolean))
                return -EINVAL;
        return write_scalar(option, value, ret, ret_reason);
}
