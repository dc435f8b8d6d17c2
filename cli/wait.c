/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

typedef struct WaitOptions {
        const char *goal;
        uint64_t timeout_sec; /* 0: none */
} WaitOptions;

static WaitOptions wait_options(const Arguments *arguments)
{
        return (WaitOptions){
                .goal = arguments_value(arguments, "for") ?: "stopped",
                .timeout_sec = arguments_number(arguments, "timeout", 0),
        };
}

ExitStatus verb_wait(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const WaitOptions options = wait_options(arguments);

        json_object_object_add(parameters, "for", json_object_new_string(options.goal));
        return session_call_names_within(&arguments->cli, MANAGER "Wait", parameters, options.goal,
                                         arguments->operands, arguments->n_operands,
                                         options.timeout_sec);
}
