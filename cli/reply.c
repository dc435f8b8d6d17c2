/* SPDX-License-Identifier: Apache-2.0 */
#include "reply.h"

#include <inttypes.h>
#include <stdio.h>

#include "base/json.h"
#include "fail.h"

json_object *reply_member(const Cli *cli, json_object *reply, const char *member, json_type type)
{
        json_object *value = json_member(reply, member);

        if (value && json_object_is_type(value, type))
                return value;
        fail_local(cli, "the daemon's reply has no '%s': daemon and cvmctl have different versions",
                   member);
        return NULL;
}

ExitStatus reply_cvm(const Cli *cli, const SessionTarget *target, bool with_spec, json_object **ret)
{
        json_object *parameters = json_object_new_object(), *cvm;
        _cleanup_json_ json_object *reply = NULL;
        ExitStatus status;

        session_put_target(target, parameters);
        if (with_spec)
                json_object_object_add(parameters, "withSpec", json_object_new_boolean(true));
        status = session_call(cli, MANAGER "Status", parameters, &reply);
        if (status.code)
                return status;
        cvm = reply_member(cli, reply, "cvm", json_type_object);
        if (!cvm)
                return exit_status(EXIT_FAILED);
        *ret = json_object_get(cvm);
        return EXIT_OK;
}

ExitStatus reply_measurement(const Cli *cli, const char *name, json_object **ret)
{
        _cleanup_json_ json_object *parameters = json_object_new_object();
        _cleanup_json_ json_object *reply = NULL;
        json_object *measurement;
        ExitStatus status = session_add_target(cli, name, parameters);

        if (!status.code)
                status = session_call(cli, MANAGER "Measure", TAKE_PTR(parameters), &reply);
        if (status.code)
                return status;
        measurement = reply_member(cli, reply, "measurement", json_type_object);
        if (!measurement)
                return exit_status(EXIT_FAILED);
        *ret = json_object_get(measurement);
        return EXIT_OK;
}

ExitStatus reply_table(const Cli *cli, const char *method, json_object *parameters,
                       const char *member, const TableColumn *columns, bool full, const char *empty)
{
        const TableView view = {
                .columns = columns,
                .terminal = full ? 0 : output_width(stdout),
                .colour = output_colour(stdout),
                .empty = empty,
        };
        _cleanup_json_ json_object *reply = NULL;
        json_object *array;
        ExitStatus status = session_call(cli, method, parameters, &reply);

        if (status.code)
                return status;
        array = reply_member(cli, reply, member, json_type_array);
        if (!array)
                return exit_status(EXIT_FAILED);
        if (cli->json) {
                output_json(array);
                return EXIT_OK;
        }
        if (table_print_view(stdout, &view, array) < 0)
                return fail_memory(cli);
        if (json_member_int(reply, "leftOut", 0) > 0)
                fprintf(stderr, "cvmctl: note: %" PRId64 " more are not listed\n",
                        json_member_int(reply, "leftOut", 0));
        return EXIT_OK;
}
