/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What `launch` and `run` do around the call Launch: each launch has an id, by which its CVM is
 * found again whatever happens to the call, and a launch that fails prints what is worth a look.
 */

#include <json-c/json.h>

#include "arguments.h"

/* given: the caller's id, or NULL for a new one. *ret is newly allocated. Returns EXIT_OK, or the
 * status of the failure that it printed. */
ExitStatus launched_choose_id(const Cli *cli, const char *given, char **ret);

/* A signal has ended a Launch (session_catch_interrupts()): waits until the daemon has undone it,
 * and prints what there is of the CVM. Returns EXIT_INTERRUPTED after SIGINT; another signal ends
 * the process. */
ExitStatus launched_interrupted(const Cli *cli, const char *name, const char *id);
/* After the error of a Launch was printed: if the daemon keeps the CVM, prints the last lines of
 * its console on standard error and, if it has ended, the commands that show more. Prints nothing
 * with --json. */
void launched_explain(const Cli *cli, const CvmError *error, const char *name, const char *id);
/* Says on standard error that a CVM is not confidential; nothing if it is, or if the daemon does
 * not report it. */
void launched_note_plain(json_object *cvm);
