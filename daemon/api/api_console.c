/* SPDX-License-Identifier: Apache-2.0 */

/* Console: after the reply the connection carries raw bytes between the client and the guest's
 * serial line, until one of them has gone. Both directions are bounded: a client that falls further
 * behind than the console's backlog loses the connection, a guest that does not read makes the
 * client wait. The past that a client is shown first is read in a worker, in the caller's turn. */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "api/api.h"
#include "base/foreign.h"
#include "base/handles.h"
#include "base/text.h"
#include "launch/quota.h"

#define TAIL_BYTES 16384u  /* of the past that a new client is shown */
#define SEND_MAX 65536u    /* bytes that a client is sent before others get their turn */
#define TO_GUEST_MAX 4096u /* bytes that wait for the guest */
#define GUEST_RETRY_MSEC 20

typedef struct Bridge Bridge;

/* What a new client is shown, while it is read. */
typedef struct Past {
        Turn turn;
        Bridge *bridge; /* NULL: it has gone meanwhile */
        ConsoleSnapshot *snapshot;
        char *text;
        size_t size;
} Past;

struct Bridge {
        Vm *vm;         /* a reference */
        int fd;         /* owned */
        WireSeat *seat; /* owned; the client is counted until fd is closed */
        uv_poll_t poll;
        int events; /* that are polled for */
        uv_timer_t retry;
        Handles handles;
        bool closing;
        bool blocked; /* the client has not read what was sent */
        bool ended;   /* the CVM has, before the past was read */
        Past *past;   /* is sent first; NULL: it is in `shown` */
        Buffer shown, to_guest;
        ConsoleFollower console;
        VmWatch watch;
};

/* A client that is about to get its bridge. */
typedef struct Upgrade {
        Vm *vm; /* a reference */
        Manager *manager;
        uid_t account;
} Upgrade;

static void bridge_close(Bridge *bridge);
static void on_bridge_poll(uv_poll_t *poll, int status, int events);

static void bridge_free(void *owner)
{
        Bridge *bridge = owner;

        buffer_done(&bridge->shown);
        buffer_done(&bridge->to_guest);
        vm_unref(bridge->vm);
        free(bridge);
}

static void on_bridge_closed(uv_handle_t *handle)
{
        Bridge *bridge = handle->data;

        handles_closed(&bridge->handles);
}

static void past_free(Past *past)
{
        console_snapshot_free(past->snapshot);
        free(past->text);
        free(past);
}

static void bridge_close(Bridge *bridge)
{
        if (bridge->closing)
                return;
        bridge->closing = true;
        if (bridge->past) {
                bridge->past->bridge = NULL;
                if (turns_withdraw(&bridge->past->turn))
                        past_free(bridge->past);
        }
        console_unfollow(&bridge->console);
        vm_unwatch(&bridge->watch);
        uv_close((uv_handle_t *)&bridge->poll, on_bridge_closed);
        uv_close((uv_handle_t *)&bridge->retry, on_bridge_closed);
        foreign_close_socket(TAKE_FD(bridge->fd));
        bridge->seat = wire_seat_free(bridge->seat);
}

static void bridge_update(Bridge *bridge)
{
        int events = 0;

        if (bridge->closing)
                return;
        if (bridge->to_guest.size < TO_GUEST_MAX)
                events |= UV_READABLE;
        if (bridge->blocked)
                events |= UV_WRITABLE;
        if (events == bridge->events)
                return;
        bridge->events = events;
        if (events)
                uv_poll_start(&bridge->poll, events, on_bridge_poll);
        else
                uv_poll_stop(&bridge->poll);
}

/* Returns how much of it was sent. */
static size_t send_client(Bridge *bridge, const char *data, size_t size)
{
        ssize_t n = send(bridge->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);

        if (n < 0 && errno != EAGAIN && errno != EINTR)
                bridge_close(bridge);
        if (n < (ssize_t)size)
                bridge->blocked = true;
        return n > 0 ? (size_t)n : 0;
}

/* Sends up to SEND_MAX bytes of what the guest wrote; the rest when the socket is ready again. */
static void write_console(Bridge *bridge)
{
        size_t left = SEND_MAX;

        while (!bridge->closing && !bridge->blocked) {
                const char *data;
                ssize_t n = console_unread(&bridge->console, &data);

                if (n == 0)
                        return;
                if (n < 0) {
                        bridge_close(bridge);
                } else if (left == 0) {
                        bridge->blocked = true;
                } else {
                        size_t sent =
                                send_client(bridge, data, (size_t)n < left ? (size_t)n : left);

                        console_have_read(&bridge->console, sent);
                        left -= sent;
                }
        }
}

static void write_client(Bridge *bridge)
{
        bridge->blocked = false;
        if (bridge->past)
                return;
        if (bridge->shown.size)
                buffer_consume(&bridge->shown,
                               send_client(bridge, bridge->shown.data, bridge->shown.size));
        if (!bridge->shown.size)
                write_console(bridge);
}

static void write_guest(Bridge *bridge);

static void on_retry(uv_timer_t *timer)
{
        Bridge *bridge = timer->data;

        write_guest(bridge);
        bridge_update(bridge);
}

static void write_guest(Bridge *bridge)
{
        ssize_t n;

        if (bridge->closing || bridge->to_guest.size == 0)
                return;
        n = bridge->vm->process.driver
                    ? bridge->vm->ops->console_write(bridge->vm->process.driver,
                                                     bridge->to_guest.data, bridge->to_guest.size)
                    : -ENOTCONN;
        if (n >= 0)
                buffer_consume(&bridge->to_guest, (size_t)n);
        else if (n != -EAGAIN && n != -EINTR)
                bridge_close(bridge);
        if (!bridge->closing && bridge->to_guest.size > 0)
                uv_timer_start(&bridge->retry, on_retry, GUEST_RETRY_MSEC, 0);
}

static void read_client(Bridge *bridge)
{
        _uninitialized_ char data[TO_GUEST_MAX];
        size_t room = TO_GUEST_MAX - bridge->to_guest.size;
        ssize_t n = room ? foreign_recv(bridge->fd, data, room) : 0;

        if (!room)
                return;
        if (n == 0 || (n < 0 && n != -EAGAIN && n != -EINTR) ||
            (n > 0 && buffer_append(&bridge->to_guest, data, (size_t)n) < 0)) {
                bridge_close(bridge);
                return;
        }
        write_guest(bridge);
}

static void on_bridge_poll(uv_poll_t *poll, int status, int events)
{
        Bridge *bridge = poll->data;

        if (status < 0) {
                bridge_close(bridge);
                return;
        }
        if (events & UV_WRITABLE)
                write_client(bridge);
        if ((events & UV_READABLE) && !bridge->closing)
                read_client(bridge);
        bridge_update(bridge);
}

/* One that does not read only has to be close enough. */
static void on_bridge_more(void *userdata)
{
        Bridge *bridge = userdata;
        const char *data;

        if (!bridge->past && !bridge->blocked)
                write_client(bridge);
        else if (console_unread(&bridge->console, &data) < 0)
                bridge_close(bridge);
        bridge_update(bridge);
}

static void on_bridge_changed(Vm *vm, void *userdata)
{
        Bridge *bridge = userdata;

        if (!vm->removed && vm_state_is_live(vm->state))
                return;
        bridge->ended = true;
        if (!bridge->past) /* on_past_read() closes it */
                bridge_close(bridge);
}

static int bridge_open(Vm *vm, int fd, Bridge **ret)
{
        Bridge *bridge = calloc(1, sizeof(*bridge));

        if (!bridge)
                return -ENOMEM;
        *bridge = (Bridge){
                .fd = fd,
                .console = {.more = on_bridge_more, .userdata = bridge},
                .watch = {.changed = on_bridge_changed, .userdata = bridge},
        };
        if (console_follow(vm->console, &bridge->console) < 0) {
                free(bridge);
                return -ENOMEM;
        }
        if (uv_poll_init(vm->home->loop, &bridge->poll, fd) < 0) {
                console_unfollow(&bridge->console);
                free(bridge);
                return -EIO;
        }
        uv_timer_init(vm->home->loop, &bridge->retry);
        bridge->poll.data = bridge->retry.data = bridge;
        handles_init(&bridge->handles, 2, bridge_free, bridge);
        bridge->vm = vm_ref(vm);
        vm_watch(vm, &bridge->watch);
        *ret = bridge;
        return 0;
}

static void read_past(Turn *turn)
{
        Past *past = container_of(turn, Past, turn);

        if (console_snapshot_tail(past->snapshot, 0, 0, TAIL_BYTES, &past->text, &past->size) < 0)
                past->size = 0;
}

static void on_past_read(Turn *turn)
{
        Past *past = container_of(turn, Past, turn);
        Bridge *bridge = past->bridge;

        if (bridge) {
                bridge->past = NULL;
                if (past->size && buffer_append(&bridge->shown, past->text, past->size) < 0)
                        bridge_close(bridge);
                else
                        write_client(bridge);
                if (bridge->ended)
                        bridge_close(bridge);
                bridge_update(bridge);
        }
        past_free(past);
}

/* Without memory the client is shown what comes. */
static void bridge_begin(Bridge *bridge, const Upgrade *upgrade)
{
        Past *past = calloc(1, sizeof(*past));

        if (!past)
                return;
        past->snapshot = console_snapshot(bridge->vm->console);
        if (!past->snapshot) {
                free(past);
                return;
        }
        past->bridge = bridge;
        bridge->past = past;
        turns_take(upgrade->manager->home.turns, &past->turn, upgrade->account, read_past,
                   on_past_read);
}

static void upgrade_free(Upgrade *upgrade)
{
        if (!upgrade)
                return;
        vm_unref(upgrade->vm);
        free(upgrade);
}

DEFINE_CLEANUP(Upgrade *, upgrade_free)

static void on_upgraded(int fd, WireSeat *seat, const char *early, size_t n_early, void *userdata)
{
        _cleanup_(upgrade_freep) Upgrade *upgrade = userdata;
        Vm *vm = upgrade->vm;
        Bridge *bridge;

        if (fd < 0 || vm->removed || !vm_state_is_live(vm->state) || n_early > TO_GUEST_MAX ||
            bridge_open(vm, fd, &bridge) < 0) {
                foreign_close_socket(fd);
                wire_seat_free(seat);
                return;
        }
        bridge->seat = seat;
        bridge_begin(bridge, upgrade);
        if (n_early && buffer_append(&bridge->to_guest, early, n_early) == 0)
                write_guest(bridge);
        bridge_update(bridge);
}

int api_console(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const char *const allowed[] = {"starting", "running", "paused", "stopping", NULL};
        Upgrade *upgrade;
        Vm *vm;
        int r = api_named(call, parameters, userdata, &vm, error);

        if (r < 0)
                return r;
        if (!vm->process.driver)
                return api_wrong_state(vm, allowed, error);
        upgrade = calloc(1, sizeof(*upgrade));
        if (!upgrade)
                return cvm_error_system(error, -ENOMEM, "open the console");
        *upgrade =
                (Upgrade){vm_ref(vm), userdata, quota_account(userdata, wire_call_peer(call)->uid)};
        wire_call_upgrade(call, on_upgraded, upgrade);
        return 0;
}
