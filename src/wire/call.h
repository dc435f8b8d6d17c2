/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A call of a Varlink method, as its handler sees it (wire/server.h).
 *
 * WireCall is reference counted. A handler either returns an error, with which the server ends the
 * call, or sees to it that the call is ended exactly once, at once or later: with
 * wire_call_reply(), wire_call_upgrade() or, after the handler has returned, wire_call_error().
 * Before that it may send any number of wire_call_continue() if wire_call_wants_more(). These take
 * what they are given also when the client has gone; they then free it and do nothing else. A
 * oneway call is never answered on the wire. To release the last reference of a call that has not
 * been ended is a bug (assert).
 */

#include <json-c/json.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/peer.h"
#include "wire/seat.h"

#define WIRE_OUTPUT_MAX (256u << 10) /* unsent bytes above which wire_call_is_congested() */

typedef struct WireCall WireCall;

/* What a WirePrepare has made of a call's parameters; owned. */
typedef struct WirePrepared {
        void *data;
        void (*free)(void *data);
} WirePrepared;

static inline void wire_prepared_done(WirePrepared *prepared)
{
        if (prepared->data)
                prepared->free(prepared->data);
        *prepared = (WirePrepared){};
}

WireCall *wire_call_ref(WireCall *call);
WireCall *wire_call_unref(WireCall *call);
DEFINE_CLEANUP(WireCall *, wire_call_unref)

const WirePeer *wire_call_peer(const WireCall *call);
/* How many connections its server has, those that were upgraded included. */
size_t wire_call_connections(const WireCall *call);
bool wire_call_wants_more(const WireCall *call);
/* The index-th descriptor that came with the call, or -1; ownership moves to the caller, a second
 * call gives -1. Those not taken are closed with the call. */
int wire_call_take_fd(WireCall *call, size_t index);
/* The kind of the index-th descriptor on arrival, also after it was taken; NULL if fewer arrived.
 * Of USELESS and SERVED ones only this is kept: they cannot be taken. */
const Descriptor *wire_call_judgement(const WireCall *call, size_t index);

/* Notes which CVM the call concerns, as far as that is known (each may be NULL; both are copied):
 * an error that ends the call then has fields with its name and id, also one that comes much
 * later. */
void wire_call_concerns(WireCall *call, const char *name, const char *id);

/* What the method's `prepare` returned; the caller owns it. NULL: nothing, or it is taken. */
void *wire_call_take_prepared(WireCall *call);

/* Sends {continues: true, parameters}; takes parameters (NULL: {}). Only where wants_more. */
void wire_call_continue(WireCall *call, json_object *parameters);
/* Ends the call. Takes parameters (NULL: {}). */
void wire_call_reply(WireCall *call, json_object *parameters);
/* Both in two steps, for a large reply that is written in a worker. The first takes parameters and
 * needs no call (0 or -ENOMEM); the second takes what it has written. */
int wire_call_prepare_reply(json_object *parameters, bool continues, Buffer *ret);
/* A reply whose field `data` has these bytes in base64; up to 1 GiB. more: what else it has, as
 * wire_message_make_data_reply() accepts it. */
int wire_call_prepare_data_reply(const void *data, size_t size, const char *more, bool continues,
                                 Buffer *ret);
void wire_call_continue_prepared(WireCall *call, Buffer *reply);
void wire_call_reply_prepared(WireCall *call, Buffer *reply);
/* Ends the call with an error; the error is moved from (left unset). For a failure that comes after
 * the handler has returned 0: a handler itself returns its error instead. */
void wire_call_error(WireCall *call, CvmError *error);
/* Ends the call with a reply, then hands over the connection once the reply is sent: `taken` gets
 * the socket (non-blocking, owned by it) and the bytes that came after the call (owned by the
 * connection, copy them), or fd -1 and seat NULL if the client has gone. The connection stays
 * counted among those of its account until `taken`'s side, which owns the seat, frees it together
 * with the socket; the server may have gone before. */
typedef void (*WireUpgraded)(int fd, WireSeat *seat, const char *early, size_t n_early,
                             void *userdata);
void wire_call_upgrade(WireCall *call, WireUpgraded taken, void *userdata);

/* Called at most once, when the client goes before the end of the call, or within
 * wire_server_close(). Never called if the client had gone before. */
typedef void (*WireGone)(WireCall *call, void *userdata);
void wire_call_on_gone(WireCall *call, WireGone gone, void *userdata);
/* A client that does not read: streams skip or wait until `drained` is called (once
 * per request). */
bool wire_call_is_congested(const WireCall *call);
void wire_call_on_drained(WireCall *call, WireGone drained, void *userdata);
