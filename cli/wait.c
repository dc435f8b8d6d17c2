/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

ExitStatus verb_wait(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const char *goal = arguments_value(arguments, "for") ?: "stopped";
        uint64_t timeout_sec = arguments_number(arguments, "timeout", 0);

        json_object_object_add(parameters, "for", json_object_new_string(goal));
        return session_call_names_within(&arguments->cli, MANAGER "Wait", parameters, goal,
                                         arguments->operands, arguments->n_operands, timeout_sec);
}
