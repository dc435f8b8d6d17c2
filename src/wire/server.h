/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Varlink server (https://varlink.org/Method-Call) on libuv and json-c.
 *
 * One WireServer listens on one or more stream sockets and dispatches calls by a table of methods.
 * org.varlink.service is answered by the server itself from the interface descriptions it was
 * given.
 *
 * A connection has at most one call in progress; pipelined calls wait in its input buffer, so
 * replies keep their order. Everything a client controls is bounded (WIRE_*_MAX). A client that
 * sends anything but Varlink messages is disconnected; others do not notice. A client whose message
 * is larger than its method allows receives QuotaExceeded and is disconnected, as soon as that is
 * known.
 *
 * WireCall is reference counted. A handler either returns an error, with which the server ends the
 * call, or sees to it that the call is ended exactly once, at once or later: with
 * wire_call_reply(), wire_call_upgrade() or, after the handler has returned, wire_call_error().
 * Before that it may send any number of wire_call_continue() if wire_call_wants_more(). These take
 * what they are given also when the client has gone; they then free it and do nothing else. A
 * oneway call is never answered on the wire. To release the last reference of a call that has not
 * been ended is a bug (assert).
 */

#include <uv.h>

#include "base/descriptor.h"
#include "base/error.h"
#include "base/text.h"
#include "wire/peer.h"

#define WIRE_MESSAGE_MAX (16u << 20) /* bytes of a message of a method that sets it */
/* Bytes of a message of any other method. A message up to this size is parsed on the loop. */
#define WIRE_MESSAGE_SMALL_MAX 16384u
#define WIRE_VALUES_MAX 32768u       /* JSON values of one message: a spec has less than 10,000 */
#define WIRE_OUTPUT_MAX (256u << 10) /* unsent bytes above which wire_call_is_congested() */
#define WIRE_CONNECTIONS_MAX 4096u   /* upgraded ones, too */
#define WIRE_CONNECTIONS_PER_UID_MAX 256u /* likewise, of its account; uid 0 is exempt */
#define WIRE_FDS_MAX 64u                  /* descriptors waiting with one message */

typedef struct WireServer WireServer;
typedef struct WireCall WireCall;
typedef struct WireSeat WireSeat;

/* Borrowed for the time of the callback: parameters is an object, never NULL. Its strings are
 * cleared afterwards, also where a handler has kept a reference: some may be secrets. Returns 0 if
 * the handler has ended the call or will end it later; or -errno with the error set if it has not
 * and will not: the server then ends the call with the error. */
typedef int (*WireHandler)(WireCall *call, json_object *parameters, void *userdata,
                           CvmError *error);

/* What a WirePrepare has made of a call's parameters; owned. */
typedef struct WirePrepared {
        void *data;
        void (*free)(void *data);
} WirePrepared;

/* Makes of a call's parameters what its handler then takes by wire_call_take_prepared(): of a
 * message above WIRE_MESSAGE_SMALL_MAX in the worker that has parsed it, so that the loop does not
 * decode megabytes. It may use nothing but the parameters, which nobody else uses meanwhile. It
 * comes before any check of the call. */
typedef void *(*WirePrepare)(json_object *parameters);

typedef enum WireMethodFlags {
        WIRE_METHOD_NEEDS_MORE = 1 << 0,    /* answered with ExpectedMore without `more` */
        WIRE_METHOD_NEEDS_UPGRADE = 1 << 1, /* answered with InvalidParameter without `upgrade` */
} WireMethodFlags;

typedef struct WireMethod {
        const char *name; /* fully qualified: "io.cvmd.Manager.Launch" */
        WireHandler handler;
        unsigned flags;
        size_t message_max; /* bytes of a call, up to WIRE_MESSAGE_MAX; 0: WIRE_MESSAGE_SMALL_MAX */
        WirePrepare prepare; /* NULL: there is nothing to prepare */
        void (*prepared_free)(void *data);
} WireMethod;

typedef struct WireInterface {
        const char *name;          /* "io.cvmd.Manager" */
        const char *description;   /* its .varlink text, NUL-terminated */
        const WireMethod *methods; /* ended by {} */
} WireInterface;

typedef struct WireServerInfo {
        const char *vendor, *product, *version, *url;
} WireServerInfo;

/* All pointers must outlive the server. */
int wire_server_new(uv_loop_t *loop, const WireServerInfo *info, const WireInterface *interfaces,
                    size_t n_interfaces, void *userdata, WireServer **ret);
/* Creates and listens on a path of at most 107 bytes (sun_path), replacing a dead socket of the
 * same name, refusing a live one with -EADDRINUSE, anything but a socket with -EEXIST. Removed at
 * close. */
int wire_server_listen_path(WireServer *server, const char *path, mode_t mode, gid_t group);
/* Creates again, and listens on, the paths that were removed or replaced since; a live socket of
 * another process there is refused as above. Connections stay. */
int wire_server_restore_paths(WireServer *server, unsigned *ret_restored);
/* Listens on an inherited, already listening socket (socket activation); takes fd. */
int wire_server_listen_fd(WireServer *server, int fd);
/* Takes an already connected socket (tests); takes fd. */
int wire_server_add_connection(WireServer *server, int fd);
/* Closes listeners and connections; the server is freed when its last handle is closed. Idempotent,
 * accepts NULL. Calls in progress see their client gone. */
void wire_server_close(WireServer *server);
/* Without those that were upgraded. */
size_t wire_server_connections(const WireServer *server);
/* Bytes that all connections but root's may hold together, in place of the 512 MiB. */
void wire_server_bound_buffered(WireServer *server, size_t max);

WireCall *wire_call_ref(WireCall *call);
WireCall *wire_call_unref(WireCall *call);
DEFINE_CLEANUP(WireCall *, wire_call_unref)

const WirePeer *wire_call_peer(const WireCall *call);
bool wire_call_wants_more(const WireCall *call);
/* The index-th descriptor that came with the call, or -1; ownership moves to the caller, a second
 * call gives -1. Those not taken are closed with the call. */
int wire_call_take_fd(WireCall *call, size_t index);
/* The kind of the index-th descriptor on arrival, also after it was taken; NULL if fewer arrived.
 * Of USELESS and SERVED ones only this is kept: they cannot be taken. */
const Descriptor *wire_call_judgement(const WireCall *call, size_t index);

/* What the method's `prepare` returned; the caller owns it. NULL: nothing, or it is taken. */
void *wire_call_take_prepared(WireCall *call);

/* Sends {continues: true, parameters}; takes parameters (NULL: {}). Only where wants_more. */
void wire_call_continue(WireCall *call, json_object *parameters);
/* Ends the call. Takes parameters (NULL: {}). */
void wire_call_reply(WireCall *call, json_object *parameters);
/* Both in two steps, for a large reply that is written in a worker. The first takes parameters and
 * needs no call (0 or -ENOMEM); the second takes what it has written. */
int wire_reply_prepare(json_object *parameters, bool continues, Buffer *ret);
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
WireSeat *wire_seat_free(WireSeat *seat); /* accepts NULL */
void wire_call_upgrade(WireCall *call, WireUpgraded taken, void *userdata);

/* Called at most once, when the client goes before the end of the call, or within
 * wire_server_close(). Never called if the client had gone before. */
typedef void (*WireGone)(WireCall *call, void *userdata);
void wire_call_on_gone(WireCall *call, WireGone gone, void *userdata);
/* A client that does not read: streams skip or wait until `drained` is called (once
 * per request). */
bool wire_call_is_congested(const WireCall *call);
void wire_call_on_drained(WireCall *call, WireGone drained, void *userdata);
