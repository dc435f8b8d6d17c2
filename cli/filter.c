/* SPDX-License-Identifier: Apache-2.0 */
#include "filter.h"

#include <pwd.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "labels.h"

FilterOptions filter_options(const Arguments *arguments)
{
        return (FilterOptions){
                .state = arguments_value(arguments, "state"),
                .platform = arguments_value(arguments, "platform"),
                .name_prefix = arguments_value(arguments, "name-prefix"),
                .id = arguments_value(arguments, "id"),
                .owner = arguments_value(arguments, "owner"),
                .labels = arguments_values(arguments, "label"),
        };
}

static ExitStatus filter_apply_owner(const Cli *cli, const char *owner, json_object *parameters)
{
        const struct passwd *entry;
        uint64_t uid;

        if (text_parse_uint(owner, 0, UINT32_MAX - 1, &uid) < 0) {
                entry = getpwnam(owner);
                if (!entry)
                        return fail_usage(cli, "invalid owner '%s': no user has this name", owner);
                uid = entry->pw_uid;
        }
        json_object_object_add(parameters, "owner", json_object_new_int64((int64_t)uid));
        return EXIT_OK;
}

ExitStatus filter_apply(const Cli *cli, const FilterOptions *options, json_object *parameters)
{
        const struct {
                const char *key, *value;
        } texts[] = {
                {"state", options->state},
                {"platform", options->platform},
                {"namePrefix", options->name_prefix},
                {"id", options->id},
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                if (texts[i].value)
                        json_object_object_add(parameters, texts[i].key,
                                               json_new_text(texts[i].value));
        if (options->labels.n) {
                json_object *labels = json_object_new_object();
                ExitStatus status;

                json_object_object_add(parameters, "labels", labels);
                status = labels_read(cli, &options->labels, labels);
                if (status.code)
                        return status;
        }
        return options->owner ? filter_apply_owner(cli, options->owner, parameters) : EXIT_OK;
}
