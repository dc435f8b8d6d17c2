/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "fail.h"
#include "session.h"

typedef struct StopOptions {
        bool force, own;
        uint64_t timeout_sec; /* 0: the CVM's own */
} StopOptions;

static StopOptions stop_options(const Arguments *arguments)
{
        return (StopOptions){
                .force = arguments_has(arguments, "force"),
                .own = arguments_has(arguments, "own"),
                .timeout_sec = arguments_number(arguments, "timeout", 0),
        };
}

/* Whether there is a CVM of that name that this user launched. */
static ExitStatus stop_is_own(const Cli *cli, const char *name, bool *ret)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL, *parameters = json_object_new_object();
        ExitStatus status = session_add_target(cli, name, parameters, NULL);
        int r;

        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        r = wire_client_call(client, MANAGER "Status", TAKE_PTR(parameters), NULL, 0, &reply,
                             &error);
        if (r < 0 && error.id != CVM_ERROR_NO_SUCH_CVM)
                return fail_error(cli, &error, NULL);
        *ret = r == 0 &&
               json_member_int(json_member(reply, "cvm"), "owner", -1) == (int64_t)geteuid();
        return EXIT_OK;
}

/* Moves the names of the user's own CVMs to the front of *names and counts them. */
static ExitStatus stop_keep_own(const Cli *cli, const char **names, size_t *n)
{
        size_t n_own = 0;

        for (size_t i = 0; i < *n; i++) {
                bool own = false;
                ExitStatus status = stop_is_own(cli, names[i], &own);

                if (status.code)
                        return status;
                if (own)
                        names[n_own++] = names[i];
        }
        *n = n_own;
        return EXIT_OK;
}

ExitStatus verb_stop(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const StopOptions options = stop_options(arguments);
        size_t n = arguments->n_operands;
        _cleanup_free_ const char **names = calloc(n, sizeof(*names));
        ExitStatus status = EXIT_OK;

        if (!names)
                return fail_memory(&arguments->cli);
        for (size_t i = 0; i < n; i++)
                names[i] = arguments->operands[i];
        if (options.own)
                status = stop_keep_own(&arguments->cli, names, &n);
        if (status.code)
                return status;
        if (options.force)
                json_object_object_add(parameters, "force", json_object_new_boolean(true));
        if (options.timeout_sec)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)options.timeout_sec));
        return session_call_names(&arguments->cli, MANAGER "Stop", parameters, "stopped", names, n);
}
