/* SPDX-License-Identifier: Apache-2.0 */
#include "fail.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/fault.h"
#include "base/json.h"
#include "base/text.h"
#include "check_block.h"
#include "progress.h"
#include "terminal.h"

/* Makes the terminal one that shows a message. */
static void fail_clear(void)
{
        terminal_leave();
        progress_end();
}

/* A message that does not begin with a place in a file begins with the program's name. */
static void fail_print_line(const char *message, bool has_place)
{
        _cleanup_free_ char *safe = text_escape_control(message);

        fprintf(stderr, "%s%s\n", has_place ? "" : "cvmctl: ", safe ?: "out of memory");
}

/* Takes `parameters`. */
static void fail_print_json(const char *name, json_object *parameters)
{
        _cleanup_json_ json_object *object =
                json_build("error", json_new_text(name), "parameters", parameters, NULL);
        _cleanup_free_ char *json = object ? text_escape_json(json_text(object)) : NULL;

        fprintf(stderr, "%s\n", json ?: "{}");
}

/* Prints one line; takes `parameters`. */
static void fail_print(const Cli *cli, const char *name, json_object *parameters,
                       const char *message)
{
        fail_clear();
        if (cli->json) {
                fail_print_json(name, parameters);
                return;
        }
        fail_print_line(message, false);
        json_object_put(parameters);
}

void fail_note(const Cli *cli, const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *line = NULL;
        va_list ap;

        if (cli->json)
                return;
        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        line = text ? text_format("note: %s", text) : NULL;
        progress_end();
        if (line)
                fail_print_line(line, false);
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

ExitStatus fail_output(const Cli *cli, int r)
{
        static bool printed;

        if (!printed)
                fail_local(cli, "cannot write the output: %s", strerror(-r));
        printed = true;
        return exit_status(EXIT_FAILED);
}

ExitStatus fail_memory(const Cli *cli)
{
        return fail_local(cli, "out of memory");
}

static ExitStatus print_file(const Cli *cli, const char *file, unsigned line, unsigned column,
                             const char *text)
{
        _cleanup_free_ char *message = NULL;
        json_object *parameters;

        if (!line)
                message = text_format("%s: %s", file, text);
        else if (!column)
                message = text_format("%s:%u: %s", file, line, text);
        else
                message = text_format("%s:%u:%u: %s", file, line, column, text);
        if (!message)
                return fail_memory(cli);
        fail_clear();
        parameters = json_build("message", json_new_text(text), "file", json_new_text(file), "line",
                                line ? json_object_new_int64(line) : NULL, "column",
                                column ? json_object_new_int64(column) : NULL, NULL);
        if (cli->json) {
                fail_print_json("cvmctl.FileInvalid", parameters);
        } else {
                fail_print_line(message, line > 0);
                json_object_put(parameters);
        }
        return exit_status(EXIT_DATA);
}

ExitStatus fail_file(const Cli *cli, const char *file, unsigned line, const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        return text ? print_file(cli, file, line, 0, text) : fail_memory(cli);
}

ExitStatus fail_place(const Cli *cli, const char *file, unsigned line, unsigned column,
                      const char *format, ...)
{
        _cleanup_free_ char *text = NULL;
        va_list ap;

        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        return text ? print_file(cli, file, line, column, text) : fail_memory(cli);
}

ExitStatus fail_json(const Cli *cli, const char *file, const JsonParseError *where,
                     const char *hint)
{
        return fail_place(cli, file, where->line, where->column, "not valid JSON: %s%s",
                          where->reason, hint);
}

ExitStatus fail_file_error(const Cli *cli, const char *file, int r, const char *what)
{
        _cleanup_free_ char *text = NULL;

        text = text_format("%s%s%s", what ?: "", what ? ": " : "", strerror(-r));
        if (!text)
                return fail_memory(cli);
        print_file(cli, file, 0, 0, text);
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

/* HostNotReady: the check as a block, below what cannot be done. */
static ExitStatus fail_host(const Cli *cli, const CvmError *error, const char *where)
{
        const char *verb = cli->verb ? cli->verb->name : "run";

        fail_clear();
        fprintf(stderr, "cvmctl: %s%scannot %s on this host:\n", where ?: "", where ? ": " : "",
                strcmp(verb, "run") == 0 ? "launch" : verb);
        check_block_title(stderr, false, json_member_string(error->fields, "check") ?: "-", NULL);
        check_block_details(stderr, error->fields);
        return exit_of_error(error->id);
}

/* One of several messages: its subject once, and without a hint that each of them would have. */
static char *fail_shorten(const char *message, const char *where)
{
        static const char hint[] = "; see `cvmctl list`";
        _cleanup_free_ char *quoted = text_format("'%s'", where);
        bool named = quoted && strstr(message, quoted);
        size_t size = strlen(message);

        if (text_has_suffix(message, hint))
                size -= sizeof(hint) - 1;
        return text_format("%s%s%.*s", named ? "" : where, named ? "" : ": ", (int)size, message);
}

ExitStatus fail_error(const Cli *cli, const CvmError *error, const char *where)
{
        _cleanup_free_ char *message = cvm_error_message(error), *line = NULL;

        if (!cli->json && error->id == CVM_ERROR_HOST_NOT_READY)
                return fail_host(cli, error, where);
        if (!message || (where && !(line = fail_shorten(message, where))))
                return fail_memory(cli);
        fail_print(cli, error->name ?: "cvmctl.Failed", json_object_get(error->fields),
                   line ?: message);
        return exit_of_error(error->id);
}

/* One fault of a spec: where it is in the file, else which field it is of. */
static ExitStatus print_fault(const Cli *cli, json_object *fault, const char *file)
{
        const char *field = json_member_string(fault, "field") ?: "";
        const char *reason = json_member_string(fault, "reason") ?: "";
        const char *suggestion = json_member_string(fault, "suggestion");
        int64_t line = file ? json_member_int(fault, "line", 0) : 0;
        _cleanup_free_ char *what = NULL, *meant = NULL, *message = NULL;

        if (line > 0)
                what = text_format("%s:%" PRId64 ":%" PRId64 ": %s: ", file, line,
                                   json_member_int(fault, "column", 1), field);
        else
                what = *field ? text_format("spec field '%s': ", field) : strdup("");
        meant = suggestion ? text_format("; did you mean '%s'?", suggestion) : strdup("");
        if (what && meant)
                message = text_format("%s%s%s", what, reason, meant);
        if (!message)
                return fail_memory(cli);
        fail_print_line(message, line > 0);
        return EXIT_OK;
}

ExitStatus fail_faults(const Cli *cli, const CvmError *error, const char *file)
{
        json_object *faults = json_member(error->fields, "errors");
        size_t n =
                json_object_is_type(faults, json_type_array) ? json_object_array_length(faults) : 0;

        fail_clear();
        if (cli->json)
                fail_print_json(error->name, json_object_get(error->fields));
        for (size_t i = 0; !cli->json && i < n && i <= FAULTS_MAX; i++) {
                ExitStatus status = print_fault(cli, json_object_array_get_idx(faults, i), file);

                if (status.code)
                        return status;
        }
        return exit_of_error(error->id);
}
