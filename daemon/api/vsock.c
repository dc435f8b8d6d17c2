/* SPDX-License-Identifier: Apache-2.0 */
#include "api/vsock.h"

#include <string.h>
#include <sys/queue.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "base/handles.h"
#include "local/log.h"

#define SHORTAGE_MSEC 1000 /* without a descriptor for a connection, until the next try */

typedef struct Connection Connection;

struct VsockListener {
        Manager *manager;
        int fd; /* owned */
        uv_poll_t poll;
        uv_timer_t pause;
        Handles handles; /* its own two, and one for each connection */
        bool closed;
        LIST_HEAD(, Connection) connections;
};

struct Connection {
        VsockListener *listener;
        LIST_ENTRY(Connection) all;
        uint32_t cid;
        char *vm_id; /* owned; whose guest it is: a CID has other owners after it */
        int fd;      /* owned */
        uv_poll_t poll;
        uv_timer_t timer;
        Handles handles;
        bool closing;
        char message[VSOCK_MESSAGE_MAX + 1]; /* with a final newline */
        size_t size;
};

static unsigned count_of(const VsockListener *listener, uint32_t cid)
{
        const Connection *connection;
        unsigned n = 0;

        LIST_FOREACH (connection, &listener->connections, all)
                n += connection->cid == cid;
        return n;
}

static void connection_free(void *owner)
{
        Connection *connection = owner;

        handles_closed(&connection->listener->handles);
        free(connection->vm_id);
        free(connection);
}

static void on_connection_closed(uv_handle_t *handle)
{
        Connection *connection = handle->data;

        handles_closed(&connection->handles);
}

static void connection_close(Connection *connection)
{
        if (connection->closing)
                return;
        connection->closing = true;
        LIST_REMOVE(connection, all);
        uv_close((uv_handle_t *)&connection->poll, on_connection_closed);
        uv_close((uv_handle_t *)&connection->timer, on_connection_closed);
        close(TAKE_FD(connection->fd));
}

static void deliver(Connection *connection)
{
        VsockListener *listener = connection->listener;
        Vm *vm = vm_table_find_cid(&listener->manager->home.table, connection->cid);

        if (!vm || strcmp(vm->id, connection->vm_id) != 0) {
                log_debug("a vsock message of CID %u, whose CVM has gone, is ignored",
                          connection->cid);
                return;
        }
        /* messages are whole: what is unfinished on the notify port stays apart */
        connection->message[connection->size++] = '\n';
        vm_notify_message(vm, connection->message, connection->size);
}

static void on_connection(uv_poll_t *poll, int status, int events)
{
        Connection *connection = poll->data;
        ssize_t n;

        if (status < 0) {
                connection_close(connection);
                return;
        }
        n = recv(connection->fd, connection->message + connection->size,
                 VSOCK_MESSAGE_MAX - connection->size, MSG_DONTWAIT);
        if (n < 0 && (errno == EAGAIN || errno == EINTR))
                return;
        if (n > 0) {
                connection->size += (size_t)n;
                if (connection->size < VSOCK_MESSAGE_MAX)
                        return;
                log_warning("a vsock message of CID %u is too long and is ignored",
                            connection->cid);
        } else if (n == 0) {
                deliver(connection);
        }
        connection_close(connection);
}

static void on_connection_timeout(uv_timer_t *timer)
{
        connection_close(timer->data);
}

void vsock_add(VsockListener *listener, int fd, uint32_t cid)
{
        _cleanup_close_ int owned = fd;
        const Vm *vm = vm_table_find_cid(&listener->manager->home.table, cid);
        Connection *connection;

        if (!vm || count_of(listener, cid) >= VSOCK_CONNECTIONS_MAX)
                return;
        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return;
        connection->vm_id = strdup(vm->id);
        if (!connection->vm_id ||
            uv_poll_init(listener->manager->home.loop, &connection->poll, owned) < 0) {
                free(connection->vm_id);
                free(connection);
                return;
        }
        connection->listener = listener;
        connection->cid = cid;
        connection->fd = TAKE_FD(owned);
        uv_timer_init(listener->manager->home.loop, &connection->timer);
        connection->poll.data = connection->timer.data = connection;
        handles_init(&connection->handles, 2, connection_free, connection);
        LIST_INSERT_HEAD(&listener->connections, connection, all);
        handles_add(&listener->handles);
        uv_poll_start(&connection->poll, UV_READABLE, on_connection);
        uv_timer_start(&connection->timer, on_connection_timeout, VSOCK_MSEC, 0);
}

static void on_listener(uv_poll_t *poll, int status, int events);

static void on_pause_over(uv_timer_t *timer)
{
        VsockListener *listener = timer->data;

        uv_poll_start(&listener->poll, UV_READABLE, on_listener);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
        VsockListener *listener = poll->data;
        struct sockaddr_vm peer = {};
        socklen_t length = sizeof(peer);
        int fd;

        if (status < 0)
                return;
        fd = accept4(listener->fd, (struct sockaddr *)&peer, &length, SOCK_CLOEXEC | SOCK_NONBLOCK);
        if (fd >= 0) {
                vsock_add(listener, fd, peer.svm_cid);
        } else if (errno == EMFILE || errno == ENFILE || errno == ENOMEM) {
                /* it stays in the queue, and would keep the loop awake */
                uv_poll_stop(poll);
                uv_timer_start(&listener->pause, on_pause_over, SHORTAGE_MSEC, 0);
        }
}

int vsock_listen(Manager *manager, VsockListener **ret)
{
        struct sockaddr_vm address = {
                .svm_family = AF_VSOCK, .svm_cid = VMADDR_CID_ANY, .svm_port = VMADDR_PORT_ANY};
        socklen_t length = sizeof(address);
        _cleanup_close_ int fd = socket(AF_VSOCK, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        VsockListener *listener;

        *ret = NULL;
        if (fd < 0 || bind(fd, (struct sockaddr *)&address, length) < 0 || listen(fd, 64) < 0 ||
            getsockname(fd, (struct sockaddr *)&address, &length) < 0) {
                log_debug("no vsock on this host: %s", strerror(errno));
                return 0;
        }
        listener = calloc(1, sizeof(*listener));
        if (!listener)
                return -ENOMEM;
        if (uv_poll_init(manager->home.loop, &listener->poll, fd) < 0) {
                free(listener);
                return -EIO;
        }
        listener->manager = manager;
        listener->fd = TAKE_FD(fd);
        uv_timer_init(manager->home.loop, &listener->pause);
        listener->poll.data = listener->pause.data = listener;
        handles_init(&listener->handles, 2, free, listener);
        uv_poll_start(&listener->poll, UV_READABLE, on_listener);
        manager->notify_port = address.svm_port;
        *ret = listener;
        return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
        VsockListener *listener = handle->data;

        handles_closed(&listener->handles);
}

void vsock_close(VsockListener *listener)
{
        if (!listener || listener->closed)
                return;
        listener->closed = true;
        while (!LIST_EMPTY(&listener->connections))
                connection_close(LIST_FIRST(&listener->connections));
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
        uv_close((uv_handle_t *)&listener->pause, on_listener_closed);
        close(TAKE_FD(listener->fd));
}
