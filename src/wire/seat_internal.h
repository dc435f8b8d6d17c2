/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A client's place among those that a WireServer admits. A connection has one from its beginning
 * on, and takes it along where it is upgraded. Private to src/wire.
 */

#include <sys/queue.h>

#include "wire/server.h"

struct WireSeat {
        WireServer *server; /* NULL: it is closed */
        uid_t account;      /* to which it is counted */
        LIST_ENTRY(WireSeat) all;
};

/* NULL without memory. */
WireSeat *wire_seat_new(WireServer *server, uid_t account);
/* For the server's end: seats that are left belong to upgraded connections. */
void wire_seats_forget(WireServer *server);
unsigned wire_seats_of(const WireServer *server, uid_t account);
