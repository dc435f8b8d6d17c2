/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

typedef struct RestartOptions {
        bool force;
        uint64_t timeout_sec; /* 0: the CVM's own */
} RestartOptions;

static RestartOptions restart_options(const Arguments *arguments)
{
        return (RestartOptions){
                .force = arguments_has(arguments, "force"),
                .timeout_sec = arguments_number(arguments, "timeout", 0),
        };
}

ExitStatus verb_restart(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const RestartOptions options = restart_options(arguments);

        if (options.force)
                json_object_object_add(parameters, "force", json_object_new_boolean(true));
        if (options.timeout_sec)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)options.timeout_sec));
        return session_call_names(&arguments->cli, MANAGER "Restart", parameters, "restarted",
                                  arguments->operands, arguments->n_operands);
}
