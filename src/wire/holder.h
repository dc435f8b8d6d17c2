/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an account's connections hold together: the sum is kept up to date, because to add up all
 * connections each time that one grows would take too long. Private to src/wire. */

#include <sys/queue.h>
#include <sys/types.h>

#include "wire/server.h"

typedef struct WireHolder {
        uid_t account;
        unsigned n_connections; /* it lives as long as it has some */
        size_t n_bytes;
        LIST_ENTRY(WireHolder) all;
} WireHolder;

/* The account's, with one connection more. NULL without memory. */
WireHolder *wire_holder_join(WireServer *server, uid_t account);
/* One connection less, whose bytes are no longer counted. Accepts NULL. */
void wire_holder_leave(WireHolder *holder);
/* The one with the most bytes; NULL: none has any. */
WireHolder *wire_holder_greediest(const WireServer *server);
