/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "base/text.h"
#include "console_hint.h"
#include "fail.h"
#include "output.h"
#include "output_raw.h"
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

static void logs_add_parameters(const LogsOptions *options, json_object *parameters)
{
        if (options->lines >= 0)
                json_object_object_add(parameters, "lines", json_object_new_int64(options->lines));
        if (options->follow)
                json_object_object_add(parameters, "follow", json_object_new_boolean(true));
        if (options->svsm)
                json_object_object_add(parameters, "svsm", json_object_new_boolean(true));
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

/* Prints the replies. Takes parameters. */
static ExitStatus logs_print_all(const Cli *cli, WireClient *client, OutputRaw *raw,
                                 json_object *parameters)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = wire_client_begin(client, MANAGER "Logs", parameters, NULL, 0, &error);

        while (r >= 0) {
                _cleanup_json_ json_object *reply = NULL;
                ExitStatus status;

                r = session_next(client, &reply, &error);
                if (r < 0)
                        break;
                status = logs_show(cli, raw, reply);
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

/* A hint comes before what is followed, else after the output, where it is seen. */
static ExitStatus logs_run(const Cli *cli, const LogsOptions *options, WireClient *client,
                           json_object *parameters)
{
        bool terminal = output_is_terminal(stdout);
        OutputRaw raw = {.escape = terminal && !options->raw};
        _cleanup_free_ char *hint = NULL;
        ExitStatus status;

        if (!cli->json && !options->svsm)
                hint = console_hint(cli, options->name, parameters);
        if (hint && options->follow)
                fail_note(cli, "%s", hint);
        status = logs_print_all(cli, client, &raw, json_object_get(parameters));
        if (terminal && !cli->json)
                output_raw_end(&raw);
        if (hint && !options->follow && !status.code) {
                output_finish();
                fail_note(cli, "%s", hint);
        }
        return status;
}

ExitStatus verb_logs(const Arguments *arguments)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_json_ json_object *parameters = json_object_new_object();
        const LogsOptions options = logs_options(arguments);
        const Cli *cli = &arguments->cli;
        ExitStatus status = session_add_target(cli, options.name, parameters);

        logs_add_parameters(&options, parameters);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        if (options.follow)
                session_catch_interrupts(client);
        session_watch_output(client);
        return logs_run(cli, &options, client, parameters);
}
