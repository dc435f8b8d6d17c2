/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "console_hint.h"
#include "fail.h"
#include "output.h"
#include "output_raw.h"
#include "session.h"
#include "since.h"

typedef struct LogsOptions {
        const char *name;
        int64_t lines;     /* -1: all */
        const char *since; /* NULL: any time */
        bool follow, raw, svsm, times;
} LogsOptions;

static LogsOptions logs_options(const Arguments *arguments)
{
        return (LogsOptions){
                .name = arguments_operand(arguments, 0),
                .lines = arguments_has(arguments, "lines")
                                 ? (int64_t)arguments_number(arguments, "lines", 0)
                                 : -1,
                .since = arguments_value(arguments, "since"),
                .times = arguments_has(arguments, "timestamps"),
                .follow = arguments_has(arguments, "follow"),
                .raw = arguments_has(arguments, "raw"),
                .svsm = arguments_has(arguments, "svsm"),
        };
}

static ExitStatus logs_add_parameters(const Cli *cli, const LogsOptions *options,
                                      json_object *parameters)
{
        int64_t since = 0;

        if (options->since) {
                ExitStatus status = since_parse(cli, options->since, &since);

                if (status.code)
                        return status;
                json_object_object_add(parameters, "since", json_object_new_int64(since));
        }
        if (options->times)
                json_object_object_add(parameters, "times", json_object_new_boolean(true));
        if (options->lines >= 0)
                json_object_object_add(parameters, "lines", json_object_new_int64(options->lines));
        if (options->follow)
                json_object_object_add(parameters, "follow", json_object_new_boolean(true));
        if (options->svsm)
                json_object_object_add(parameters, "svsm", json_object_new_boolean(true));
        return EXIT_OK;
}

typedef struct LogsOutput {
        OutputRaw raw;
        bool times;       /* each line begins with its time */
        bool within_line; /* of the guest */
} LogsOutput;

/* The time of a byte, 0 if it is not known. *i: where to look on. */
static int64_t logs_time_at(json_object *times, size_t position, size_t *i)
{
        size_t n =
                json_object_is_type(times, json_type_array) ? json_object_array_length(times) : 0;

        while (*i < n && json_member_int(json_object_array_get_idx(times, *i), "position", 0) <=
                                 (int64_t)position)
                (*i)++;
        return *i ? json_member_int(json_object_array_get_idx(times, *i - 1), "at", 0) : 0;
}

/* The bytes, with the time of its first byte before each line: "2026-11-21 07:16:33 ", "- " if it
 * is not known. */
static void logs_print_timed(LogsOutput *output, const uint8_t *data, size_t size,
                             json_object *times)
{
        size_t known = 0;

        for (size_t at = 0; at < size;) {
                const uint8_t *end = memchr(data + at, '\n', size - at);
                size_t n = end ? (size_t)(end + 1 - data) - at : size - at;

                if (!output->within_line) {
                        char when[OUTPUT_TIME_MAX];

                        printf("%s ", output_time(logs_time_at(times, at, &known), when));
                }
                output_raw(&output->raw, data + at, n);
                output->within_line = !end;
                at += n;
        }
}

static ExitStatus logs_show(const Cli *cli, LogsOutput *output, json_object *reply)
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
        if (output->times)
                logs_print_timed(output, data, size, json_member(reply, "times"));
        else
                output_raw(&output->raw, data, size);
        return EXIT_OK;
}

/* Prints the replies. Takes parameters. */
static ExitStatus logs_print_all(const Cli *cli, WireClient *client, LogsOutput *output,
                                 json_object *parameters)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = wire_client_begin(client, MANAGER "Logs", parameters, NULL, 0, &error);

        while (r >= 0) {
                _cleanup_json_ json_object *reply = NULL;
                ExitStatus status;
                int written;

                r = session_next(client, &reply, &error);
                if (r < 0)
                        break;
                status = logs_show(cli, output, reply);
                if (status.code)
                        return status;
                written = output_finish();
                if (written < 0)
                        return fail_output(cli, written);
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
        LogsOutput output = {.raw.escape = terminal && !options->raw, .times = options->times};
        _cleanup_free_ char *hint = NULL;
        ExitStatus status;

        if (!cli->json && !options->svsm)
                hint = console_hint(cli, options->name, parameters);
        if (hint && options->follow)
                fail_note(cli, "%s", hint);
        status = logs_print_all(cli, client, &output, json_object_get(parameters));
        if (terminal && !cli->json)
                output_raw_end(&output.raw);
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

        if (!status.code)
                status = logs_add_parameters(cli, &options, parameters);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        if (options.follow)
                session_catch_interrupts(client);
        status = session_watch_output(cli, client);
        return status.code ? status : logs_run(cli, &options, client, parameters);
}
