/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <string.h>

#include "base/json.h"
#include "fail.h"

bool labels_is_label(const char *text)
{
        const char *equals = strchr(text, '=');

        return equals && equals != text;
}

ExitStatus labels_read(const Cli *cli, const OptionValues *values, json_object *labels)
{
        _cleanup_json_ json_object *seen = json_object_new_object();

        for (size_t i = 0; i < values->n; i++) {
                const char *value = values->at[i];
                _cleanup_free_ char *name = NULL;

                if (!labels_is_label(value))
                        return fail_usage(cli, "invalid --label '%s': expected NAME=VALUE", value);
                name = strndup(value, strcspn(value, "="));
                if (!name)
                        return fail_memory(cli);
                if (json_object_object_get_ex(seen, name, NULL))
                        return fail_usage(cli, "label '%s' is given twice", name);
                json_object_object_add(seen, name, NULL);
                if (labels)
                        json_object_object_add(labels, name,
                                               json_new_text(value + strlen(name) + 1));
        }
        return EXIT_OK;
}
