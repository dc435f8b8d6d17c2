/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A connection of a WireServer: bytes in, calls out to handlers one at a time, replies back.
 *
 * Private to the server. A connection has a reference for its poll handle, dropped in the close
 * callback, and one for each WireCall; it may outlive the server as memory, but then has no server.
 *
 * Reading stops while the client has more waiting than it may (its calls are answered too slowly or
 * it does not read replies); the handle then waits for UV_PRIORITIZED, which on a Unix socket means
 * that only the end of the peer wakes it (POLLHUP is always reported).
 *
 * A peer that only shuts down its writing side still gets the replies to what it asked before.
 */

#include <sys/queue.h>
#include <uv.h>

#include "wire/holder.h"
#include "wire/inbox.h"
#include "wire/message.h"
#include "wire/method_scan.h"
#include "wire/parser.h"
#include "wire/seat_internal.h"
#include "wire/server.h"

#define WIRE_INPUT_WAITING_MAX                                                                     \
        65536u /* bytes behind the call in progress, above which nothing more is read */
#define WIRE_OUTPUT_BATCH 32768u    /* bytes of replies sent together */
#define WIRE_OUTPUT_BLOCKED 262144u /* unsent bytes above which no further call is taken up */
/* What is held for all connections of a uid but 0, and of those of its account */
#define WIRE_BUFFERED_PER_UID_MAX (64u << 20) /* bytes allocated, in and out and at the parser */
/* The same of all uids but 0 together: above it connections of the account with the most end, the
 * largest first, so that no account loses any to one that has more. */
#define WIRE_BUFFERED_MAX (512u << 20)
#define WIRE_FDS_PER_UID_MAX 512u /* descriptors that no handler has taken */

typedef struct WireConnection {
        unsigned n_ref;
        WireServer *server; /* valid until the handle is closed */
        uv_poll_t poll;
        uv_poll_cb on_poll; /* of poll */
        int fd;             /* owned; -1 once closed or handed over */
        int events;         /* what poll waits for */
        WirePeer peer;
        uid_t account;  /* of the peer's uid (base/account.h), as it connected */
        WireSeat *seat; /* owned until it is closed or handed over */

        WireInbox inbox;
        Buffer output;
        size_t sent; /* bytes of output that are already sent */

        WireMethodScan scan; /* of the message that the inbox begins with */
        size_t scanned;      /* bytes of that message */

        /* A message in a worker thread. As with a call, nothing goes past it; and as if it were
         * not received yet, the connection's end is not noticed before it is parsed. */
        WireParse *parse;
        WireCall *call; /* in progress; not a reference: its end or its last unref clears it */
        bool closed;
        bool broken;     /* to be closed from the loop */
        bool processing; /* replies are sent when the handlers have returned */
        bool starved;    /* no whole message waits */
        bool end_of_input;
        bool deferred; /* in the server's list of connections with something to do */
        /* In the server's list of connections of which nothing was sent in a turn: not polled for
         * writing, but the first that are sent of in the next turn. */
        bool passed_over;

        WireHolder *holder; /* the account's, until it is closed */
        size_t counted;     /* bytes of it in the holder's sum, and in the server's */

        /* an upgrade whose reply is not sent yet */
        WireUpgraded taken;
        void *taken_userdata;

        LIST_ENTRY(WireConnection) all;
        TAILQ_ENTRY(WireConnection) work; /* while deferred */
        TAILQ_ENTRY(WireConnection) late; /* while passed over */
} WireConnection;

/* Takes fd, also on failure. */
int wire_connection_new(WireServer *server, int fd);
WireConnection *wire_connection_ref(WireConnection *connection);
WireConnection *wire_connection_unref(WireConnection *connection);
DEFINE_CLEANUP(WireConnection *, wire_connection_unref)

/* Closes at once; the call in progress sees its client gone. */
void wire_connection_close(WireConnection *connection);
/* Does what was put off: broken connections, waiting calls, `drained`. From the loop only. */
void wire_connection_work(WireConnection *connection);

size_t wire_connection_unsent(const WireConnection *connection);
/* Bytes of memory that it holds for what was received and what is to be sent. */
size_t wire_connection_buffered(const WireConnection *connection);
/* Whether a message is being parsed or a call is in progress: the next one waits. */
bool wire_connection_is_busy(const WireConnection *connection);
/* The client does not read its replies: no call is taken up. */
bool wire_connection_is_blocked(const WireConnection *connection);
/* What may be sent in this turn of the loop is sent, and a batch of its replies waits for the next
 * one: until then no more replies are made. */
bool wire_connection_is_late(const WireConnection *connection);
bool wire_connection_may_read(const WireConnection *connection);
/* Waits for what the connection can do now. */
void wire_connection_update_poll(WireConnection *connection);
/* Sends what the socket takes without waiting; `broken` is set if it fails or its uid has too much
 * waiting. */
void wire_connection_flush(WireConnection *connection);
/* The same without regard to others' turns, for a connection that is closed next. */
void wire_connection_flush_last(WireConnection *connection);
/* After something was appended to the output or the call ended, possibly within a handler. Never
 * calls back. */
void wire_connection_changed(WireConnection *connection);
