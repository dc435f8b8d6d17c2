/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/bus.h"

#include <poll.h>
#include <time.h>

#include "base/clock.h"
#include "base/handles.h"
#include "base/macros.h"

#define STEPS_MAX 64 /* messages handled before others of the loop get their turn */

/* One connection; freed with its last handle. */
typedef struct Link {
        Bus *bus;           /* NULL once closed */
        sd_bus *connection; /* owned */
        uv_poll_t poll;
        uv_prepare_t prepare;
        uv_timer_t timer;
        Handles handles;
        int events; /* what poll waits for */
} Link;

struct Bus {
        uv_loop_t *loop;
        BusConnect connect;
        Link *link; /* or NULL */
};

static void on_closed(uv_handle_t *handle)
{
        Link *link = handle->data;

        handles_closed(&link->handles);
}

static void link_close(Link *link)
{
        link->bus->link = NULL;
        link->bus = NULL;
        uv_close((uv_handle_t *)&link->poll, on_closed);
        uv_close((uv_handle_t *)&link->prepare, on_closed);
        uv_close((uv_handle_t *)&link->timer, on_closed);
        /* what was sent last is with the socket, or lost */
        sd_bus_close_unref(TAKE_PTR(link->connection));
}

static void process(Link *link)
{
        sd_bus *connection = sd_bus_ref(link->connection);
        int r = 1;

        for (unsigned i = 0; i < STEPS_MAX && r > 0 && link->bus; i++)
                r = sd_bus_process(connection, NULL);
        /* At its end sd-bus first answers every call, then reports the end. */
        if (r < 0 && link->bus)
                link_close(link);
        sd_bus_unref(connection);
}

static void on_io(uv_poll_t *poll, int status, int events)
{
        process(poll->data);
}

static void on_timer(uv_timer_t *timer)
{
        process(timer->data);
}

static void on_prepare(uv_prepare_t *prepare)
{
        Link *link = prepare->data;
        int wanted = sd_bus_get_events(link->connection), events = 0;
        uint64_t until = UINT64_MAX, now = (uint64_t)clock_monotonic_usec();

        if (wanted > 0)
                events = (wanted & POLLIN ? UV_READABLE : 0) | (wanted & POLLOUT ? UV_WRITABLE : 0);
        if (events && events != link->events && uv_poll_start(&link->poll, events, on_io) == 0)
                link->events = events;
        /* a time of the monotonic clock in µs; 0: there is something to do now */
        if (wanted < 0 || sd_bus_get_timeout(link->connection, &until) < 0)
                until = 0;
        if (until == UINT64_MAX)
                uv_timer_stop(&link->timer);
        else
                uv_timer_start(&link->timer, on_timer, until > now ? (until - now + 999) / 1000 : 0,
                               0);
}

Bus *bus_new(uv_loop_t *loop, BusConnect connect)
{
        Bus *bus = calloc(1, sizeof(*bus));

        if (bus)
                *bus = (Bus){.loop = loop, .connect = connect};
        return bus;
}

/* Takes the connection, also on failure. */
static int link_new(Bus *bus, sd_bus *connection)
{
        Link *link = calloc(1, sizeof(*link));
        int fd = sd_bus_get_fd(connection), r = fd < 0 ? fd : link ? 0 : -ENOMEM;

        if (r == 0)
                r = uv_poll_init(bus->loop, &link->poll, fd);
        if (r < 0) {
                free(link);
                sd_bus_close_unref(connection);
                return r;
        }
        uv_prepare_init(bus->loop, &link->prepare);
        uv_timer_init(bus->loop, &link->timer);
        link->poll.data = link->prepare.data = link->timer.data = link;
        handles_init(&link->handles, 3, free, link);
        link->bus = bus;
        link->connection = connection;
        uv_prepare_start(&link->prepare, on_prepare);
        bus->link = link;
        return 0;
}

int bus_get(Bus *bus, sd_bus **ret)
{
        sd_bus *connection = NULL;
        int r = 0;

        if (bus->link && sd_bus_is_open(bus->link->connection) <= 0)
                link_close(bus->link);
        if (!bus->link) {
                r = bus->connect(&connection);
                if (r >= 0)
                        r = link_new(bus, connection);
        }
        if (r < 0)
                return r;
        *ret = bus->link->connection;
        return 0;
}

Bus *bus_free(Bus *bus)
{
        if (bus && bus->link)
                link_close(bus->link);
        free(bus);
        return NULL;
}
