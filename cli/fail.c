/* SPDX-License-Identifier: Apache-2.0 */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "progress.h"

/* Prints one line; takes `parameters`. */
static void fail_print(const Cli *cli, const char *name, json_object *parameters,
                       const char *message)
{
        _cleanup_free_ char *safe = text_escape_control(message);
        _cleanup_json_ json_object *object =
                json_build("error", json_new_text(name), "parameters", parameters, NULL);
        _cleanup_free_ char *json = object ? text_escape_json(json_text(object)) : NULL;

        progress_end();
        if (cli->json)
                fprintf(stderr, "%s\n", json ?: "{}");
        else
                fprintf(stderr, "cvmctl: %s\n", safe ?: "out of memory");
}

static json_object *message_parameters(const char *message)
{
        return json_build("message", json_new_text(message), NULL);
}

ExitStatus fail_usage(const Cli *cli, const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *line = NULL;
        const Verb *verb = cli->verb;
        va_list ap;

        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        if (!text || !(line = text_format("%s (see `cvmctl help%s%s`)", text, verb ? " " : "",
                                          verb ? verb->name : "")))
                return fail_memory(cli);
        fail_print(cli, "cvmctl.Usage", message_parameters(text), line);
        return exit_status(EXIT_USAGE);
}

ExitStatus fail_local(const Cli *cli, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        fail_print(cli, "cvmctl.Failed", message_parameters(text ?: ""), text ?: "out of memory");
        return exit_status(EXIT_FAILED);
}

ExitStatus fail_memory(const Cli *cli)
{
        return fail_local(cli, "out of memory");
}

static ExitStatus print_file(const Cli *cli, const char *file, unsigned line, const char *text)
{
        _cleanup_free_ char *message = NULL;
        json_object *parameters;

        message = line ? text_format("%s:%u: %s", file, line, text)
                       : text_format("%s: %s", file, text);
        if (!message)
                return fail_memory(cli);
        parameters = json_build("message", json_new_text(text), "file", json_new_text(file), NULL);
        if (line)
                json_object_object_add(parameters, "line", json_object_new_int64(line));
        fail_print(cli, "cvmctl.FileInvalid", parameters, message);
        return exit_status(EXIT_DATA);
}

ExitStatus fail_file(const Cli *cli, const char *file, unsigned line, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        return text ? print_file(cli, file, line, text) : fail_memory(cli);
}

ExitStatus fail_file_error(const Cli *cli, const char *file, int r, const char *what)
{
        _cleanup_free_ char *text = NULL;

        text = text_format("%s%s%s", what ?: "", what ? ": " : "", strerror(-r));
        if (!text)
                return fail_memory(cli);
        print_file(cli, file, 0, text);
        return exit_of_file(r);
}

ExitStatus fail_no_daemon(const Cli *cli, const char *socket, int r)
{
        _cleanup_free_ char *message = NULL;

        message = text_format(
                "no daemon listens on %s (%s); start one with `systemctl start cvmd`, or your "
                "own with `cvmd`",
                socket, strerror(-r));
        if (!message)
                return fail_memory(cli);
        fail_print(cli, "cvmctl.NoDaemon",
                   json_build("socket", json_new_text(socket), "message", json_new_text(message),
                              NULL),
                   message);
        return exit_status(EXIT_UNAVAILABLE);
}

ExitStatus fail_error(const Cli *cli, const CvmError *error, const char *where)
{
        _cleanup_free_ char *message = cvm_error_message(error), *line = NULL;

        if (!message || (where && !(line = text_format("%s: %s", where, message))))
                return fail_memory(cli);
        fail_print(cli, error->name ?: "cvmctl.Failed", json_object_get(error->fields),
                   line ?: message);
        return exit_of_error(error->id);
}
