/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * QMP client (QEMU's docs/interop/qmp-spec) on libuv: greeting, qmp_capabilities, commands with
 * ids, events. QEMU is as foreign as the guest that may have taken it over: every message is
 * bounded (QMP_MESSAGE_MAX), strictly parsed, and anything out of protocol disconnects.
 *
 * Life: qmp_client_new() → `ready` once capabilities are negotiated, or `closed`. Every command's
 * callback is called exactly once: with its answer, or with error class "Disconnected" before
 * `closed` is called. `closed` is called exactly once, also after qmp_client_close(), unless the
 * owner closed with `userdata` cleared by qmp_client_forget(). No callback comes from inside a call
 * of qmp_client_new() or qmp_client_execute().
 */

#include <json-c/json.h>
#include <uv.h>

#include "base/macros.h"

#define QMP_MESSAGE_MAX (1u << 20) /* bytes of one line */
#define QMP_PENDING_MAX 64u        /* commands in flight or queued */
#define QMP_OUTPUT_MAX (1u << 20)  /* unsent bytes above which no command is taken */

typedef struct QmpClient QmpClient;

/* result: the `return` member, borrowed, NULL on error; then error_class and error_text are set. */
typedef void (*QmpReply)(QmpClient *client, json_object *result, const char *error_class,
                         const char *error_text, void *userdata);

typedef struct QmpCallbacks {
        /* version: "7.2.22", from the greeting. Events may come a moment before it. */
        void (*ready)(QmpClient *client, const char *version, void *userdata);
        /* data is an object, never NULL; borrowed. */
        void (*event)(QmpClient *client, const char *name, json_object *data, void *userdata);
        /* reason: for a log line ("end of file", "a message too long"); broken: the peer sent
         * something that is not QMP, rather than just going away. Freed after it. */
        void (*closed)(QmpClient *client, const char *reason, bool broken, void *userdata);
} QmpCallbacks;

/* Takes a connected stream socket (made non-blocking); on failure fd stays the caller's. callbacks
 * must outlive the client. Returns 0, -ENOMEM, or -errno if fd is not a socket that poll(2)
 * accepts. */
int qmp_client_new(uv_loop_t *loop, int fd, const QmpCallbacks *callbacks, void *userdata,
                   QmpClient **ret);
/* Takes arguments (NULL: none), also on failure. reply may be NULL. Commands given before `ready`
 * are queued. Returns 0, -EBUSY (QMP_PENDING_MAX, QMP_OUTPUT_MAX), -ENOTCONN or -ENOMEM. */
int qmp_client_execute(QmpClient *client, const char *command, json_object *arguments,
                       QmpReply reply, void *userdata);
/* For a peer that has gone: the callbacks of what it had sent come from inside this call, then it
 * is as closed. Accepts NULL. */
void qmp_client_finish(QmpClient *client);
/* The socket is closed at once, the callbacks come from the loop. Idempotent; accepts NULL. */
void qmp_client_close(QmpClient *client);
/* As close, but no callback of this client is called any more, also where close came before. */
void qmp_client_forget(QmpClient *client);
