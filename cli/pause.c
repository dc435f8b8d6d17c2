/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

ExitStatus verb_pause(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();

        return session_call_names(&arguments->cli, MANAGER "Pause", parameters, "paused",
                                  arguments->operands, arguments->n_operands);
}
