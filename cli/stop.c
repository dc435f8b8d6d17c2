/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "fail.h"
#include "session.h"

/* Whether there is a CVM of that name that this user launched: 1, 0, or negative with *ret_code the
 * exit code of what was printed. */
static int is_own(const Arguments *arguments, const char *name, int *ret_code)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        int r;

        *ret_code = session_connect(arguments, &client);
        if (*ret_code != 0)
                return -1;
        r = wire_client_call(client, MANAGER "Status",
                             json_build("name", json_new_text(name), NULL), NULL, 0, &reply,
                             &error);
        if (r < 0 && error.id != CVM_ERROR_NO_SUCH_CVM) {
                *ret_code = fail_error(arguments, &error, NULL);
                return -1;
        }
        return r == 0 &&
               json_member_int(json_member(reply, "cvm"), "owner", -1) == (int64_t)geteuid();
}

static int stop(const Arguments *arguments)
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

int verb_stop(const Arguments *arguments)
{
        _cleanup_free_ const char **own = NULL;
        Arguments chosen = *arguments;

        if (!arguments_has(arguments, "own"))
                return stop(arguments);
        own = calloc(arguments->n_operands, sizeof(*own));
        if (!own)
                return fail_memory(arguments);
        chosen.operands = own;
        chosen.n_operands = 0;
        for (size_t i = 0; i < arguments->n_operands; i++) {
                const char *name = arguments_operand(arguments, i);
                int code, r = is_own(arguments, name, &code);

                if (r < 0)
                        return code;
                if (r > 0)
                        own[chosen.n_operands++] = name;
        }
        return stop(&chosen);
}
