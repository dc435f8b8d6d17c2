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

/* The same on a connection that stays. After a signal that session_catch_interrupts() caught, the
 * status is session_interrupted_exit() and *ret_reply is not set. */
ExitStatus session_call_again(const Cli *cli, WireClient *client, const char *method,
                              json_object *parameters, json_object **ret_reply);

/* Which CVM the user means. */
typedef struct SessionTarget {
        char *name;       /* or what the user gave, if the daemon was not asked */
        char *id;         /* NULL: the CVM is called by its name */
        bool unsure;      /* no CVM may have the id, and one may have it as its name */
        bool may_be_gone; /* a CVM that does not exist any more is not an error */
} SessionTarget;

/*
 * Finds out which CVMs the user means: each of `given` is a whole id, or else a name, or else the
 * first SESSION_ID_MIN characters or more of one id only. A daemon is asked, once, only if one of
 * them may be an id that is not whole; look_up: also for whole ones. Returns EXIT_OK with n
 * targets, newly allocated, or the status of what it printed: of each that is ambiguous, too.
 */
#define SESSION_ID_MIN 8 /* so that no name that was misspelt, or is gone, means another CVM */
ExitStatus session_resolve(const Cli *cli, const char *const *given, size_t n, bool look_up,
                           SessionTarget **ret);
SessionTarget *session_targets_free(SessionTarget *targets, size_t n);
/* Adds "id" or "name" to the parameters of a call. */
void session_put_target(const SessionTarget *target, json_object *parameters);
/* session_resolve() with look_up and session_put_target() for one. */
ExitStatus session_add_target(const Cli *cli, const char *given, json_object *parameters);

/*
 * Calls the method once for each name, or what session_resolve() accepts for one, all at the same
 * time, and shows the replies in the order of the names: `done` follows the name ("web: stopped"),
 * or with --json the reply's cvm, or an object with the name if the reply has no cvm. `parameters`
 * is a call's parameters but for `name`; borrowed. If a name cannot be resolved, nothing is called.
 * Returns the code of the first failure; the others are still called and printed.
 */
ExitStatus session_call_names(const Cli *cli, const char *method, json_object *parameters,
                              const char *done, const char *const *names, size_t n);
/* The same with the parameter timeoutSec: all calls together have that time, but each has a second
 * at least. 0: no parameter. */
ExitStatus session_call_names_within(const Cli *cli, const char *method, json_object *parameters,
                                     const char *done, const char *const *names, size_t n,
                                     uint64_t timeout_sec);
/* The same for CVMs that were found already. */
ExitStatus session_call_targets(const Cli *cli, const char *method, json_object *parameters,
                                const char *done, const SessionTarget *targets, size_t n,
                                uint64_t timeout_sec);

/*
 * From here on SIGINT and SIGTERM end the reading from this connection, with an error, rather than
 * the process; session_interrupted() then says which signal came, else 0.
 */
void session_catch_interrupts(const WireClient *client);
int session_interrupted(void);
/* The same for SIGHUP and SIGQUIT too. */
void session_catch_hangups(const WireClient *client);
/* EXIT_INTERRUPTED after SIGINT, else EXIT_DONE. */
ExitStatus session_interrupted_exit(void);

/*
 * From here on session_next() ends this process as SIGPIPE does, if nobody reads standard output
 * any more: at once, also while nothing is to be printed. If SIGPIPE is ignored, it returns -EPIPE
 * with an error. Fails at once if standard output is not open for writing.
 */
ExitStatus session_watch_output(const Cli *cli, WireClient *client);

/* wire_client_next(), which continues after signals other than those two. */
int session_next(WireClient *client, json_object **ret_reply, CvmError *error);
