/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/seat_internal.h"

#include "wire/server_internal.h"

WireSeat *wire_seat_new(WireServer *server, uid_t account)
{
        WireSeat *seat = calloc(1, sizeof(*seat));

        if (!seat)
                return NULL;
        *seat = (WireSeat){.server = server, .account = account};
        server->n_seats++;
        LIST_INSERT_HEAD(&server->seats, seat, all);
        return seat;
}

static void wire_seat_leave(WireSeat *seat)
{
        LIST_REMOVE(seat, all);
        TAKE_PTR(seat->server)->n_seats--;
}

WireSeat *wire_seat_free(WireSeat *seat)
{
        if (seat && seat->server)
                wire_seat_leave(seat);
        free(seat);
        return NULL;
}

void wire_seats_forget(WireServer *server)
{
        while (!LIST_EMPTY(&server->seats))
                wire_seat_leave(LIST_FIRST(&server->seats));
}

unsigned wire_seats_of(const WireServer *server, uid_t account)
{
        const WireSeat *seat;
        unsigned n = 0;

        LIST_FOREACH (seat, &server->seats, all)
                n += seat->account == account;
        return n;
}
