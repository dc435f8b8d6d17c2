/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

ExitStatus verb_resume(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();

        return session_call_names(&arguments->cli, MANAGER "Resume", parameters, "running",
                                  arguments->operands, arguments->n_operands);
}
