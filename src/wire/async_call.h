/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* One call to another program's Varlink socket, without waiting for it: connects, sends, reads one
 * reply, closes. */

#include <json-c/json.h>
#include <uv.h>

#include "base/macros.h"

#define WIRE_ASYNC_REPLY_MAX (1u << 20) /* bytes */

typedef struct WireAsyncCall WireAsyncCall;

/* r 0: `error` is its name, or NULL for a reply; parameters are borrowed and may be NULL.
 * -ETIMEDOUT, -ECONNRESET (it went away first), -EBADMSG (no Varlink), -EMSGSIZE, -ENOMEM. */
typedef void (*WireAsyncDone)(int r, const char *error, json_object *parameters, void *userdata);

/* Takes parameters, also on failure. msec: until `done` at the latest, which is never called from
 * inside. -ENOENT, -ECONNREFUSED: nobody listens; -errno. */
int wire_async_call_start(uv_loop_t *loop, const char *path, const char *method,
                          json_object *parameters, unsigned msec, WireAsyncDone done,
                          void *userdata, WireAsyncCall **ret);
/* Before `done` was called: it never will be. */
void wire_async_call_cancel(WireAsyncCall *call);
