/* SPDX-License-Identifier: Apache-2.0 */
#include "all_targets.h"
#include "base/json.h"
#include "fail.h"
#include "session.h"

typedef struct RemoveOptions {
        bool all, own;
        const char *const *names;
        size_t n_names;
} RemoveOptions;

static RemoveOptions remove_options(const Arguments *arguments)
{
        return (RemoveOptions){
                .all = arguments_has(arguments, "all"),
                .own = arguments_has(arguments, "own"),
                .names = arguments->operands,
                .n_names = arguments->n_operands,
        };
}

static ExitStatus remove_all(const Cli *cli, bool own, json_object *parameters)
{
        _cleanup_(all_targets_done) AllTargets ended = {.own = own};
        ExitStatus status = all_targets_find(cli, &ended);

        if (!status.code)
                status = all_targets_call(cli, MANAGER "Remove", parameters, "removed", "remove",
                                          &ended);
        if (!status.code && ended.n_other)
                fail_note(cli, "%zu that %s not ended %s: `cvmctl stop --all` stops CVMs",
                          ended.n_other, ended.n_other == 1 ? "has" : "have",
                          ended.n_other == 1 ? "is left" : "are left");
        return status;
}

ExitStatus verb_remove(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const RemoveOptions options = remove_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status = all_targets_check(cli, options.all, options.n_names);

        if (status.code)
                return status;
        if (options.own && !options.all)
                return fail_usage(cli, "--own requires --all");
        if (options.all)
                return remove_all(cli, options.own, parameters);
        return session_call_names(cli, MANAGER "Remove", parameters, "removed", options.names,
                                  options.n_names);
}
