/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <pwd.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"

ExitStatus filter_read_labels(const Arguments *arguments, json_object *labels)
{
        _cleanup_json_ json_object *seen = json_object_new_object();
        const char *value;

        for (size_t i = 0; (value = arguments_value_at(arguments, "label", i)); i++) {
                const char *equals = strchr(value, '=');
                _cleanup_free_ char *name = NULL;

                if (!equals || equals == value)
                        return fail_usage(&arguments->cli,
                                          "invalid --label '%s': expected NAME=VALUE", value);
                name = strndup(value, (size_t)(equals - value));
                if (!name)
                        return fail_memory(&arguments->cli);
                if (json_object_object_get_ex(seen, name, NULL))
                        return fail_usage(&arguments->cli, "--label gives %s twice", name);
                json_object_object_add(seen, name, NULL);
                if (labels)
                        json_object_object_add(labels, name, json_new_text(equals + 1));
        }
        return EXIT_OK;
}

static ExitStatus filter_apply_owner(const Arguments *arguments, json_object *parameters)
{
        const char *owner = arguments_value(arguments, "owner");
        const struct passwd *entry;
        uint64_t uid;

        if (!owner)
                return EXIT_OK;
        if (text_parse_uint(owner, 0, UINT32_MAX - 1, &uid) < 0) {
                entry = getpwnam(owner);
                if (!entry)
                        return fail_usage(&arguments->cli,
                                          "invalid --owner '%s': no user has this name", owner);
                uid = entry->pw_uid;
        }
        json_object_object_add(parameters, "owner", json_object_new_int64((int64_t)uid));
        return EXIT_OK;
}

ExitStatus filter_apply(const Arguments *arguments, json_object *parameters)
{
        static const struct {
                const char *option, *key;
        } texts[] = {
                {"state", "state"},
                {"platform", "platform"},
                {"name-prefix", "namePrefix"},
                {"id", "id"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                const char *value = arguments_value(arguments, texts[i].option);

                if (value)
                        json_object_object_add(parameters, texts[i].key, json_new_text(value));
        }
        if (arguments_has(arguments, "label")) {
                json_object *labels = json_object_new_object();
                ExitStatus status;

                json_object_object_add(parameters, "labels", labels);
                status = filter_read_labels(arguments, labels);
                if (status.code)
                        return status;
        }
        return filter_apply_owner(arguments, parameters);
}
