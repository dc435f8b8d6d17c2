/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include "base/json.h"
#include "fail.h"
#include "session.h"

json_object *reply_member(const Arguments *arguments, json_object *reply, const char *member,
                          json_type type)
{
        json_object *value = json_member(reply, member);

        if (value && json_object_is_type(value, type))
                return value;
        fail_local(arguments, "the daemon's reply has no '%s': it is not of this cvmctl's version",
                   member);
        return NULL;
}

int reply_table(const Arguments *arguments, const char *method, json_object *parameters,
                const char *member, const OutputColumn *columns, OutputRow row)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *array;
        int r;

        r = session_call(arguments, method, parameters, &reply);
        if (r != 0)
                return r;
        array = reply_member(arguments, reply, member, json_type_array);
        if (!array)
                return EXIT_FAILED;
        if (arguments->json) {
                output_json(array);
                return EXIT_DONE;
        }
        return output_table(stdout, columns, array, row) < 0 ? fail_memory(arguments) : EXIT_DONE;
}
