/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How cvmctl says what went wrong: one line on stderr, "cvmctl: MESSAGE", or for a place in a file
 * "FILE:LINE:COLUMN: MESSAGE", as compilers do; or with --json one JSON object {"error": NAME,
 * "parameters": {...}}. NAME and parameters are the daemon's own error, or cvmctl.Usage,
 * cvmctl.Failed, cvmctl.NoDaemon, cvmctl.FileInvalid with a "message".
 *
 * Each returns the status that goes with it.
 */

#include "arguments.h"
#include "base/error.h"
#include "base/json_parse.h"

/* Not a failure: a line "cvmctl: note: …" on stderr; nothing with --json. */
void fail_note(const Cli *cli, const char *format, ...) _printf_(2, 3);
/* EXIT_USAGE; the line ends by naming the help. */
ExitStatus fail_usage(const Cli *cli, const char *format, ...) _printf_(2, 3);
/* EXIT_FAILED. */
ExitStatus fail_local(const Cli *cli, const char *format, ...) _printf_(2, 3);
ExitStatus fail_memory(const Cli *cli);
/* EXIT_DATA: the content of a given file is refused. line 0: none. */
ExitStatus fail_file(const Cli *cli, const char *file, unsigned line, const char *format, ...)
        _printf_(4, 5);
/* The same, with a column. */
ExitStatus fail_place(const Cli *cli, const char *file, unsigned line, unsigned column,
                      const char *format, ...) _printf_(5, 6);
/* EXIT_DATA: a file is not JSON. hint: put after the reason, or "". */
ExitStatus fail_json(const Cli *cli, const char *file, const JsonParseError *where,
                     const char *hint);
/* EXIT_FAILED: standard output cannot be written; r is -errno. Printed once, however often it
 * fails. */
ExitStatus fail_output(const Cli *cli, int r);
/* The exit status of exit_of_file(): a file that was named cannot be read or written; r is -errno.
 * what: "cannot read the key", put before the error's text, or NULL. */
ExitStatus fail_file_error(const Cli *cli, const char *file, int r, const char *what);
/* EXIT_UNAVAILABLE: nobody listens on the socket; r is -errno. */
ExitStatus fail_no_daemon(const Cli *cli, const char *socket, int r);
/* What the error's kind says. where: which of several things it is about, put before the message
 * unless that names it; or NULL. */
ExitStatus fail_error(const Cli *cli, const CvmError *error, const char *where);
/* The same for each entry in `errors` of an InvalidSpec, a line each; with --json one object for
 * all. file: to which their lines and columns belong, or NULL. */
ExitStatus fail_faults(const Cli *cli, const CvmError *error, const char *file);
