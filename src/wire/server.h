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
 * known. Handlers see wire/call.h.
 */

#include <uv.h>

#include "base/error.h"
#include "wire/call.h"

#define WIRE_MESSAGE_MAX (16u << 20) /* bytes of a message of a method that sets it */
/* Bytes of a message of any other method. A message up to this size is parsed on the loop. */
#define WIRE_MESSAGE_SMALL_MAX 16384u
#define WIRE_VALUES_MAX 32768u     /* JSON values of one message: a spec has less than 10,000 */
#define WIRE_CONNECTIONS_MAX 4096u /* upgraded ones, too */
#define WIRE_CONNECTIONS_PER_UID_MAX 256u /* likewise, of its account; uid 0 is exempt */
#define WIRE_FDS_MAX 64u                  /* descriptors waiting with one message */

typedef struct WireServer WireServer;

/* Borrowed for the time of the callback: parameters is an object, never NULL. Its strings are
 * cleared afterwards, also where a handler has kept a reference: some may be secrets. Returns 0 if
 * the handler has ended the call or will end it later; or -errno with the error set if it has not
 * and will not: the server then ends the call with the error. */
typedef int (*WireHandler)(WireCall *call, json_object *parameters, void *userdata,
                           CvmError *error);

/* Makes of a call's parameters what its handler then takes by wire_call_take_prepared(): of a
 * message above WIRE_MESSAGE_SMALL_MAX in the worker that has parsed it, so that the loop does not
 * decode megabytes. It may use nothing but the parameters, which nothing else uses meanwhile. It
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
        const char *version;       /* shown by GetInfo; NULL: it has none */
} WireInterface;

typedef struct WireServerInfo {
        const char *vendor, *product, *version, *url;
} WireServerInfo;

/* Notified of the end of each call, and of each message that is refused before it is a call. */
typedef struct WireObserver {
        /* method: NULL: there is none of that name. error: borrowed; NULL: the client was replied
         * to, or lost: it went before the end of the call. */
        void (*ended)(const WireMethod *method, const CvmError *error, bool lost, uint64_t nsec,
                      void *userdata);
        void (*refused)(const CvmError *error, void *userdata);
        void *userdata;
} WireObserver;

/* All pointers must outlive the server. */
int wire_server_new(uv_loop_t *loop, const WireServerInfo *info, const WireInterface *interfaces,
                    size_t n_interfaces, void *userdata, WireServer **ret);
/* Before the first connection. */
void wire_server_observe(WireServer *server, const WireObserver *observer);
/* Creates and listens on a path of at most 107 bytes (sun_path), replacing a dead socket of the
 * same name, refusing a live one with -EADDRINUSE after 2 s, for which it blocks, and anything but
 * a socket with -EEXIST. Removed at close. */
int wire_server_listen_path(WireServer *server, const char *path, mode_t mode, gid_t group);
/* Creates again, and listens on, the paths that were removed or replaced since; a live socket of
 * another process there is refused as above, but at once. Connections stay. Returns -EOWNERDEAD if
 * the path of an inherited socket is gone, which only the process that made it creates again. */
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
