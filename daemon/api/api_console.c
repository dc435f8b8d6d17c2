/* SPDX-License-Identifier: Apache-2.0 */

/* Console: after the reply the connection carries raw bytes between the client and the guest's
 * serial line, until one of them has gone. Both directions are bounded: a client that does not read
 * loses the connection, a guest that does not read makes the client wait. */

#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>

#include "api/api.h"
#include "base/foreign.h"
#include "base/handles.h"
#include "base/text.h"

#define TAIL_BYTES 16384u        /* of the past that a new client is shown */
#define TO_CLIENT_MAX (1u << 20) /* unsent bytes at which a client is given up */
#define TO_GUEST_MAX 4096u       /* bytes that wait for the guest */
#define GUEST_RETRY_MSEC 20

typedef struct Bridge {
        Vm *vm; /* a reference */
        int fd; /* owned */
        uv_poll_t poll;
        uv_timer_t retry;
        Handles handles;
        bool closing;
        Buffer to_client, to_guest;
        ConsoleFollower console;
        VmWatch watch;
} Bridge;

static void bridge_close(Bridge *bridge);
static void on_bridge_poll(uv_poll_t *poll, int status, int events);

static void bridge_free(void *owner)
{
        Bridge *bridge = owner;

        buffer_done(&bridge->to_client);
        buffer_done(&bridge->to_guest);
        vm_unref(bridge->vm);
        free(bridge);
}

static void on_bridge_closed(uv_handle_t *handle)
{
        Bridge *bridge = handle->data;

        handles_closed(&bridge->handles);
}

static void bridge_close(Bridge *bridge)
{
        if (bridge->closing)
                return;
        bridge->closing = true;
        console_unfollow(&bridge->console);
        vm_unwatch(&bridge->watch);
        uv_close((uv_handle_t *)&bridge->poll, on_bridge_closed);
        uv_close((uv_handle_t *)&bridge->retry, on_bridge_closed);
        foreign_close_socket(TAKE_FD(bridge->fd));
}

static void bridge_update(Bridge *bridge)
{
        int events = 0;

        if (bridge->closing)
                return;
        if (bridge->to_guest.size < TO_GUEST_MAX)
                events |= UV_READABLE;
        if (bridge->to_client.size > 0)
                events |= UV_WRITABLE;
        if (events)
                uv_poll_start(&bridge->poll, events, on_bridge_poll);
        else
                uv_poll_stop(&bridge->poll);
}

static void write_client(Bridge *bridge)
{
        ssize_t n;

        if (bridge->to_client.size == 0)
                return;
        n = send(bridge->fd, bridge->to_client.data, bridge->to_client.size,
                 MSG_NOSIGNAL | MSG_DONTWAIT);
        if (n >= 0)
                buffer_consume(&bridge->to_client, (size_t)n);
        else if (errno != EAGAIN && errno != EINTR)
                bridge_close(bridge);
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
        char data[TO_GUEST_MAX];
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

static void to_client(Bridge *bridge, const void *data, size_t size)
{
        if (bridge->to_client.size + size > TO_CLIENT_MAX ||
            buffer_append(&bridge->to_client, data, size) < 0) {
                bridge_close(bridge);
                return;
        }
        write_client(bridge);
        bridge_update(bridge);
}

static void on_bridge_data(const void *data, size_t size, void *userdata)
{
        to_client(userdata, data, size);
}

static void on_bridge_changed(Vm *vm, void *userdata)
{
        if (vm->removed || !vm_state_is_live(vm->state))
                bridge_close(userdata);
}

static int bridge_open(Vm *vm, int fd, Bridge **ret)
{
        Bridge *bridge = calloc(1, sizeof(*bridge));

        if (!bridge)
                return -ENOMEM;
        *bridge = (Bridge){
                .vm = vm,
                .fd = fd,
                .console = {.data = on_bridge_data, .userdata = bridge},
                .watch = {.changed = on_bridge_changed, .userdata = bridge},
        };
        if (uv_poll_init(vm->home->loop, &bridge->poll, fd) < 0) {
                free(bridge);
                return -EIO;
        }
        uv_timer_init(vm->home->loop, &bridge->retry);
        bridge->poll.data = bridge->retry.data = bridge;
        handles_init(&bridge->handles, 2, bridge_free, bridge);
        console_follow(vm->console, &bridge->console);
        vm_watch(vm, &bridge->watch);
        *ret = bridge;
        return 0;
}

/* userdata is a reference to the CVM. */
static void on_upgraded(int fd, const char *early, size_t n_early, void *userdata)
{
        _cleanup_(vm_unrefp) Vm *vm = userdata;
        _cleanup_free_ char *tail = NULL;
        Bridge *bridge;
        size_t size;

        if (fd < 0 || vm->removed || !vm_state_is_live(vm->state) || n_early > TO_GUEST_MAX ||
            bridge_open(vm, fd, &bridge) < 0) {
                foreign_close_socket(fd);
                return;
        }
        TAKE_PTR(vm);
        if (console_tail(bridge->vm->console, 0, TAIL_BYTES, &tail, &size) == 0 && size)
                to_client(bridge, tail, size);
        if (!bridge->closing && n_early && buffer_append(&bridge->to_guest, early, n_early) == 0)
                write_guest(bridge);
        bridge_update(bridge);
}

void api_console(WireCall *call, json_object *parameters, void *userdata)
{
        static const char *const allowed[] = {"starting", "running", "paused", "stopping", NULL};
        Vm *vm = api_named(call, parameters, userdata);

        if (!vm)
                return;
        if (!vm->process.driver) {
                api_wrong_state(call, vm, allowed);
                return;
        }
        wire_call_upgrade(call, on_upgraded, vm_ref(vm));
}
