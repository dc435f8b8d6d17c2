/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "all_targets.h"
#include "base/json.h"
#include "fail.h"
#include "session.h"

typedef struct StopOptions {
        bool force, own, all;
        uint64_t timeout_sec; /* 0: the CVM's own */
} StopOptions;

static StopOptions stop_options(const Arguments *arguments)
{
        return (StopOptions){
                .force = arguments_has(arguments, "force"),
                .own = arguments_has(arguments, "own"),
                .all = arguments_has(arguments, "all"),
                .timeout_sec = arguments_number(arguments, "timeout", 0),
        };
}

/* Whether there is such a CVM that this user launched. */
static ExitStatus stop_is_own(const Cli *cli, const SessionTarget *target, bool *ret)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        json_object *parameters;
        ExitStatus status = session_connect(cli, &client);
        int r;

        if (status.code)
                return status;
        parameters = json_object_new_object();
        session_put_target(target, parameters);
        r = wire_client_call(client, MANAGER "Status", parameters, NULL, 0, &reply, &error);
        if (r < 0 && error.id != CVM_ERROR_NO_SUCH_CVM)
                return fail_error(cli, &error, NULL);
        *ret = r == 0 &&
               json_member_int(json_member(reply, "cvm"), "owner", -1) == (int64_t)geteuid();
        return EXIT_OK;
}

/* Moves the user's own CVMs to the front and counts them. */
static ExitStatus stop_keep_own(const Cli *cli, SessionTarget *targets, size_t *n)
{
        size_t n_own = 0;

        for (size_t i = 0; i < *n; i++) {
                SessionTarget target = targets[i];
                bool own = false;
                ExitStatus status = stop_is_own(cli, &target, &own);

                if (status.code)
                        return status;
                if (!own)
                        continue;
                targets[i] = targets[n_own];
                targets[n_own++] = target;
        }
        *n = n_own;
        return EXIT_OK;
}

static ExitStatus stop_all(const Cli *cli, bool own, json_object *parameters)
{
        _cleanup_(all_targets_done) AllTargets live = {.live = true, .own = own};
        ExitStatus status = all_targets_find(cli, &live);

        return status.code ? status
                           : all_targets_call(cli, MANAGER "Stop", parameters, "stopped", "stop",
                                              &live);
}

static ExitStatus stop_names(const Cli *cli, bool own, json_object *parameters,
                             const char *const *names, size_t n_names)
{
        SessionTarget *targets = NULL;
        size_t n = n_names;
        ExitStatus status = session_resolve(cli, names, n, own, &targets);

        if (status.code)
                return status;
        if (own)
                status = stop_keep_own(cli, targets, &n);
        if (!status.code)
                status = session_call_targets(cli, MANAGER "Stop", parameters, "stopped", targets,
                                              n, 0);
        session_targets_free(targets, n_names);
        return status;
}

ExitStatus verb_stop(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const StopOptions options = stop_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status = all_targets_check(cli, options.all, arguments->n_operands);

        if (status.code)
                return status;
        if (options.force)
                json_object_object_add(parameters, "force", json_object_new_boolean(true));
        if (options.timeout_sec)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)options.timeout_sec));
        if (options.all)
                return stop_all(cli, options.own, parameters);
        return stop_names(cli, options.own, parameters, arguments->operands, arguments->n_operands);
}
