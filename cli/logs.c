/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "session.h"

typedef struct LogsOptions {
        const char *name;
        int64_t lines; /* -1: all */
        bool follow, raw, svsm;
} LogsOptions;

static LogsOptions logs_options(const Arguments *arguments)
{
        return (LogsOptions){
                .name = arguments_operand(arguments, 0),
                .lines = arguments_has(arguments, "lines")
                                 ? (int64_t)arguments_number(arguments, "lines", 0)
                                 : -1,
                .follow = arguments_has(arguments, "follow"),
                .raw = arguments_has(arguments, "raw"),
                .svsm = arguments_has(arguments, "svsm"),
        };
}

static json_object *logs_call_parameters(const LogsOptions *options)
{
        json_object *parameters = json_object_new_object();

        if (options->lines >= 0)
                json_object_object_add(parameters, "lines", json_object_new_int64(options->lines));
        if (options->follow)
                json_object_object_add(parameters, "follow", json_object_new_boolean(true));
        if (options->svsm)
                json_object_object_add(parameters, "svsm", json_object_new_boolean(true));
        return parameters;
}

static ExitStatus logs_show(const Cli *cli, OutputRaw *raw, json_object *reply)
{
        const char *encoded = json_member_string(reply, "data");
        _cleanup_free_ uint8_t *data = NULL;
        size_t size;

        if (cli->json) {
                output_json(reply);
                return EXIT_OK;
        }
        if (!encoded || text_unbase64(encoded, &data, &size) < 0)
                return fail_local(cli, "the daemon's reply has no console data in base64");
        output_raw(raw, data, size);
        return EXIT_OK;
}

ExitStatus verb_logs(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        const LogsOptions options = logs_options(arguments);
        OutputRaw raw = {.escape = isatty(STDOUT_FILENO) && !options.raw};
        const Cli *cli = &arguments->cli;
        json_object *parameters = logs_call_parameters(&options);
        ExitStatus status = session_add_target(cli, options.name, parameters);
        int r;

        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code) {
                json_object_put(parameters);
                return status;
        }
        if (options.follow)
                session_catch_interrupts(client);
        session_watch_output(client);
        r = wire_client_begin(client, MANAGER "Logs", parameters, NULL, 0, &error);
        while (r >= 0) {
                _cleanup_json_ json_object *reply = NULL;

                r = session_next(client, &reply, &error);
                if (r < 0)
                        break;
                status = logs_show(cli, &raw, reply);
                if (status.code)
                        return status;
                if (output_finish() < 0)
                        return fail_local(cli, "cannot write the output");
                if (r == 0 && json_member(reply, "ended"))
                        return fail_local(cli, "cvmd is going down; the CVM may still run");
                if (r == 0)
                        return EXIT_OK;
        }
        return session_interrupted() ? session_interrupted_exit() : fail_error(cli, &error, NULL);
}
