/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an account's connections hold together, and what is done for them together in a turn of the
 * loop. The sum of bytes is kept up to date, because to add up all connections each time that one
 * grows would take too long. Private to src/wire. */

/* Bytes of replies that are made for an account in one turn of the loop, so that others' calls are
 * taken up in between, however many connections it has. A call counts as at least
 * WIRE_CALL_BYTES, and each descriptor that comes with one as that. */
#define WIRE_MADE_A_TURN 65536u
#define WIRE_CALL_BYTES 1024u

#include <sys/queue.h>
#include <sys/types.h>

#include "wire/server.h"

typedef struct WireHolder {
        uid_t account;
        unsigned n_connections; /* it lives as long as it has some */
        size_t n_bytes;
        uint64_t turn; /* of the loop in which calls were last taken up */
        size_t made;   /* bytes of replies that were made in that turn */
        LIST_ENTRY(WireHolder) all;
} WireHolder;

/* The account's, with one connection more. NULL without memory. */
WireHolder *wire_holder_join(WireServer *server, uid_t account);
/* One connection less, whose bytes are no longer counted. Accepts NULL. */
void wire_holder_leave(WireHolder *holder);
/* Whether a further call may be taken up in this turn. */
bool wire_holder_may_call(WireHolder *holder, uint64_t turn);
/* A call was taken up in the turn that was asked for last; bytes of reply were made at once. */
void wire_holder_add_made(WireHolder *holder, size_t n);
/* The one with the most bytes; NULL: none has any. */
WireHolder *wire_holder_greediest(const WireServer *server);
