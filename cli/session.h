/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The connection to the daemon, and calls on it whose failure is printed. */

#include <json-c/json.h>

#include "arguments.h"
#include "wire/client.h"

#define MANAGER "io.cvmd.Manager."

/*
 * Where the daemon listens: --socket, CVMD_SOCKET, or the first of these that exists: for root
 * /run/cvmd and then $XDG_RUNTIME_DIR/cvmd, for others the other way round; /run/cvmd if none does.
 * Newly allocated; NULL without memory.
 */
char *session_socket(const Cli *cli);

/* Returns EXIT_OK, or the status of the failure that it printed. */
ExitStatus session_connect(const Cli *cli, WireClient **ret);

/* A plain call on a connection of its own. Takes parameters (NULL: {}). Likewise. */
ExitStatus session_call(const Cli *cli, const char *method, json_object *parameters,
                        json_object **ret_reply);

/*
 * Adds to the parameters of a call which CVM the user means: "name", or "id" if no CVM has the name
 * `given` but it is an id, or the first SESSION_ID_MIN characters or more of only one. A daemon is
 * asked only for what may be an id. Returns EXIT_OK, or the status of what it printed. ret_name:
 * the CVM's name, newly allocated; may be NULL.
 */
#define SESSION_ID_MIN 8 /* so that no name that was misspelt, or is gone, means another CVM */
ExitStatus session_add_target(const Cli *cli, const char *given, json_object *parameters,
                              char **ret_name);

/*
 * Calls the method once for each name, or what session_add_target() accepts for one, all at the
 * same time, and shows the replies in the order of the names: `done` follows the name ("web:
 * stopped"), or with --json the reply's cvm, or an object with the name if the reply has no cvm.
 * `parameters` is a call's parameters but for `name`; borrowed. Returns the code of the first
 * failure; the others are still called and printed.
 */
ExitStatus session_call_names(const Cli *cli, const char *method, json_object *parameters,
                              const char *done, const char *const *names, size_t n);
/* The same with the parameter timeoutSec: all calls together have that time, but each has a second
 * at least. 0: no parameter. */
ExitStatus session_call_names_within(const Cli *cli, const char *method, json_object *parameters,
                                     const char *done, const char *const *names, size_t n,
                                     uint64_t timeout_sec);

/*
 * From here on SIGINT and SIGTERM end the reading from this connection, with an error, rather than
 * the process; session_interrupted() then says which signal came, else 0.
 */
void session_catch_interrupts(const WireClient *client);
int session_interrupted(void);
/* EXIT_INTERRUPTED after SIGINT, else EXIT_DONE. */
ExitStatus session_interrupted_exit(void);

/* wire_client_next(), which continues after signals other than those two. */
int session_next(WireClient *client, json_object **ret_reply, CvmError *error);
