/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "internal.h"

/* The key that may be left out before an option's first value (QEMU's implied_opt_name and the
 * discriminators of QAPI unions). */
static const struct {
        const char *option, *key;
} implied[] = {
        {"accel", "accel"},     {"chardev", "backend"}, {"cpu", "model"},      {"device", "driver"},
        {"fsdev", "fsdriver"},  {"m", "size"},          {"machine", "type"},   {"name", "guest"},
        {"netdev", "type"},     {"object", "qom-type"}, {"sandbox", "enable"}, {"smp", "cpus"},
        {"blockdev", "driver"},
};

/* Options that QEMU also takes as a JSON object. */
static const char *const json_options[] = {"blockdev", "device", "netdev", "object"};

static bool is_implied(const char *option, const char *key)
{
        for (size_t i = 0; i < ARRAY_SIZE(implied); i++)
                if (strcmp(implied[i].option, option) == 0)
                        return strcmp(implied[i].key, key) == 0;
        return false;
}

static bool takes_json(const char *option)
{
        for (size_t i = 0; i < ARRAY_SIZE(json_options); i++)
                if (strcmp(json_options[i], option) == 0)
                        return true;
        return false;
}

static bool is_nested(json_object *object)
{
        json_object_object_foreach (object, key, value) {
                (void)key;
                if (json_object_is_type(value, json_type_object))
                        return true;
        }
        return false;
}

/* A comma in a value is written twice (QEMU's option syntax); there is no other special character.
 */
static int write_scalar(json_object *value, Buffer *ret, const char **ret_reason)
{
        const char *text;

        if (json_object_is_type(value, json_type_boolean))
                return buffer_append_text(ret, json_object_get_boolean(value) ? "on" : "off");
        if (!json_object_is_type(value, json_type_string) &&
            !json_object_is_type(value, json_type_int)) {
                *ret_reason = "must be a string, an integer or true or false";
                return -EINVAL;
        }
        text = json_object_get_string(value);
        for (; *text; text++)
                if (buffer_append(ret, *text == ',' ? ",," : text, *text == ',' ? 2 : 1) < 0)
                        return -ENOMEM;
        return 0;
}

static int write_member(const char *option, const char *key, json_object *value, bool first,
                        Buffer *ret, const char **ret_reason)
{
        int r = 0;

        if (!first)
                r = buffer_append_text(ret, ",");
        if (r == 0 && !(first && is_implied(option, key)))
                r = buffer_appendf(ret, "%s=", key);
        return r < 0 ? r : write_scalar(value, ret, ret_reason);
}

int option_write(const char *option, json_object *value, Buffer *ret, const char **ret_reason)
{
        bool first = true;
        int r;

        if (is_nested(value)) {
                if (!takes_json(option)) {
                        *ret_reason = "this option takes no nested object";
                        return -EINVAL;
                }
                return buffer_append_text(ret, json_text(value));
        }
        json_object_object_foreach (value, key, member) {
                size_t n = json_object_is_type(member, json_type_array)
                                   ? json_object_array_length(member)
                                   : 1;

                for (size_t i = 0; i < n; i++) {
                        json_object *item = json_object_is_type(member, json_type_array)
                                                    ? json_object_array_get_idx(member, i)
                                                    : member;

                        r = write_member(option, key, item, first, ret, ret_reason);
                        if (r < 0)
                                return r;
                        first = false;
                }
        }
        return 0;
}
