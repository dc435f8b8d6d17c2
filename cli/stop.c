/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

int verb_stop(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        uint64_t seconds = arguments_number(arguments, "timeout", 0);

        if (arguments_has(arguments, "force"))
                json_object_object_add(parameters, "force", json_object_new_boolean(true));
        if (seconds)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)seconds));
        return session_call_names(arguments, MANAGER "Stop", parameters, "stopped");
}
