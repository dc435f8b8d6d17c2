/* SPDX-License-Identifier: Apache-2.0 */
#include "labels.h"

#include <string.h>

#include "base/json.h"
#include "fail.h"

ExitStatus labels_read(const Cli *cli, const OptionValues *values, json_object *labels)
{
        _cleanup_json_ json_object *seen = json_object_new_object();

        for (size_t i = 0; i < values->n; i++) {
                const char *value = values->at[i], *equals = strchr(value, '=');
                _cleanup_free_ char *name = NULL;

                if (!equals || equals == value)
                        return fail_usage(cli, "invalid --label '%s': expected NAME=VALUE", value);
                name = strndup(value, (size_t)(equals - value));
                if (!name)
                        return fail_memory(cli);
                if (json_object_object_get_ex(seen, name, NULL))
                        return fail_usage(cli, "--label gives %s twice", name);
                json_object_object_add(seen, name, NULL);
                if (labels)
                        json_object_object_add(labels, name, json_new_text(equals + 1));
        }
        return EXIT_OK;
}
