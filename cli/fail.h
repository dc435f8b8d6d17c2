/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How cvmctl says what went wrong: one line on stderr, "cvmctl: MESSAGE", or with --json one JSON
 * object {"error": NAME, "parameters": {...}}. NAME and parameters are the daemon's own error, or
 * cvmctl.Usage, cvmctl.Failed, cvmctl.NoDaemon, cvmctl.FileInvalid with a "message".
 *
 * Each returns the exit code that goes with it.
 */

#include "arguments.h"
#include "base/error.h"

/* CLI_USAGE; the line ends by naming the help. */
int fail_usage(const Arguments *arguments, const char *format, ...) _printf_(2, 3);
/* CLI_FAILED. */
int fail_local(const Arguments *arguments, const char *format, ...) _printf_(2, 3);
int fail_memory(const Arguments *arguments);
/* CLI_REFUSED: a file that was named cannot be read or means nothing. line 0: none. */
int fail_file(const Arguments *arguments, const char *file, unsigned line, const char *format, ...)
        _printf_(4, 5);
/* CLI_FAILED: nobody listens on the socket; r is -errno. */
int fail_no_daemon(const Arguments *arguments, const char *socket, int r);
/* What the error's kind says. `where` is put before the message, or NULL. */
int fail_error(const Arguments *arguments, const CvmError *error, const char *where);

/* The exit code of an error; one table, the one in cvmctl(1). */
ExitCode fail_exit_code(CvmErrorId id);
