/* SPDX-License-Identifier: Apache-2.0 */
#include "all_targets.h"
#include "base/clock.h"
#include "base/json.h"

typedef struct PruneOptions {
        bool own;
        uint64_t older_than_sec;
} PruneOptions;

static PruneOptions prune_options(const Arguments *arguments)
{
        return (PruneOptions){
                .own = arguments_has(arguments, "own"),
                .older_than_sec = arguments_number(arguments, "older-than", 0),
        };
}

ExitStatus verb_prune(const Arguments *arguments)
{
        _cleanup_(all_targets_done) AllTargets ended = {};
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const PruneOptions options = prune_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status;

        ended.own = options.own;
        if (options.older_than_sec)
                ended.ended_before = clock_now_usec() - (int64_t)options.older_than_sec * 1000000;
        status = all_targets_find(cli, &ended);
        return status.code ? status
                           : all_targets_call(cli, MANAGER "Remove", parameters, "removed",
                                              "remove", &ended);
}
