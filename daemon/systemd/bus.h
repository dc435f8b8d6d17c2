/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A D-Bus connection (sd-bus(3)) on the daemon's loop, made when it is first needed and again after
 * it was lost.
 *
 * sd-bus never blocks here: what is sent waits in its queue, and before each wait of the loop the
 * Bus takes from it what to wait for. Users call sd_bus_call_async() and the like on what bus_get()
 * gives; their callbacks come from the loop, also when the connection ends (then with an error) or
 * the call's own time is over. Matches go with their connection.
 */

#include <systemd/sd-bus.h>
#include <uv.h>

typedef struct Bus Bus;

/* Makes a started connection without waiting for anybody: sd_bus_open_system() and its like. */
typedef int (*BusConnect)(sd_bus **ret);

/* Allocates; connects to nothing yet. NULL: no memory. */
Bus *bus_new(uv_loop_t *loop, BusConnect connect);
/* Borrowed until control is back in the loop. 0 or -errno. */
int bus_get(Bus *bus, sd_bus **ret);
/* No callback comes any more, neither of calls. Accepts NULL; returns NULL. */
Bus *bus_free(Bus *bus);
