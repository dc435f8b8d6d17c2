/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a WireServer shares with its connections. Private to src/wire. */

#include "base/handles.h"
#include "wire/call_internal.h"
#include "wire/holder.h"
#include "wire/listener.h"
#include "wire/parser.h"
#include "wire/seat_internal.h"

typedef struct WireListener {
        WireServer *server;
        uv_poll_t poll;
        int fd;                /* owned */
        WireListenerPath path; /* empty if an inherited socket has none */
        bool inherited;        /* the process that made the socket's file removes it */
        mode_t mode;           /* of the path that is not inherited, as is the group */
        gid_t group;
        LIST_ENTRY(WireListener) all;
} WireListener;

/* What a server does for its connections, which stand below it. */
typedef struct WireServerOps {
        /* Runs wire_connection_work() from the loop, soon. */
        void (*defer)(WireServer *server, WireConnection *connection);
        /* The same first of all in a turn in which something may be sent. */
        void (*pass_over)(WireServer *server, WireConnection *connection);
        /* Counts what the connection holds now. If it is more than before, and its account, or all
         * together, have more than they may, this breaks connections: the largest ones. */
        void (*bound)(WireServer *server, WireConnection *connection);
        /* Counts nothing for it any more. */
        void (*uncount)(WireServer *server, WireConnection *connection);
        /* Whether the account has more descriptors than its connections together may. */
        bool (*has_too_many_fds)(const WireServer *server, const WireConnection *connection);
        /* Bytes that a call of the method may have; NULL: it is not known yet. */
        size_t (*message_max)(const WireServer *server, const char *method);
        /* Has a worker thread give freed memory back to the system, within a second or two: what a
         * large message or reply needed lies between other objects, and the allocator keeps it. */
        void (*trim)(WireServer *server);
        /* Has the method's `prepare` make what it does of the parameters, in any thread. */
        void (*prepare)(const WireServer *server, const WireMessageCall *call, WirePrepared *ret);
        /* Calls the method's handler, or answers that there is none. */
        void (*dispatch)(WireServer *server, WireCall *call, const char *method,
                         json_object *parameters);
} WireServerOps;

struct WireServer {
        const WireServerOps *ops;
        uv_loop_t *loop;
        const WireServerInfo *info;
        const WireInterface *interfaces;
        size_t n_interfaces;
        void *userdata;
        WireObserver observer; /* its functions are NULL if there is none */

        bool closed;
        Handles handles;
        uv_idle_t idle; /* active while `work` or `passed_over` holds something */
        int reserve;    /* a descriptor to give up when there are none left, to accept and refuse */
        MountTable *mounts;  /* by which descriptors are judged; owned, NULL without memory */
        char *scratch;       /* WIRE_INBOX_READ bytes, for the read of whichever connection */
        size_t buffered_max; /* WIRE_BUFFERED_MAX */
        size_t message_max;  /* bytes of the largest message that any method takes */
        uv_timer_t trim_due; /* active while there is memory to give back */
        uv_work_t trim;      /* gives it back */
        bool trims;          /* it works */
        uv_check_t turn;     /* at the end of each turn of the loop */
        uint64_t n_turns;    /* of the loop so far */
        size_t sendable;     /* bytes that large outputs may still be sent of in this turn */

        LIST_HEAD(, WireListener) listeners;
        LIST_HEAD(, WireConnection) connections;
        size_t n_connections;
        LIST_HEAD(, WireSeat) seats; /* of the connections, and of those that were upgraded */
        size_t n_seats;
        LIST_HEAD(, WireHolder) holders;
        size_t n_buffered;                         /* bytes of all connections but root's */
        TAILQ_HEAD(WireWork, WireConnection) work; /* those to call wire_connection_work() for */
        TAILQ_HEAD(WireLate, WireConnection) passed_over; /* likewise, as far as may be sent */
        WireParser parser;
};

/* org.varlink.service; its handlers' userdata is the server. */
extern const WireInterface wire_service_interface;
