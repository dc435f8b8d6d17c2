/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "session.h"

ExitStatus verb_remove(const Arguments *arguments)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();

        return session_call_names(&arguments->cli, MANAGER "Remove", parameters, "removed",
                                  arguments->operands, arguments->n_operands);
}
