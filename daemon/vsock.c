/* SPDX-License-Identifier: Apache-2.0 */
#include "vsock.h"

#include <string.h>
#include <sys/socket.h>

#include <linux/vm_sockets.h>

#include "log.h"

struct VsockListener {
        Manager *manager;
        int fd; /* owned */
        uv_poll_t poll;
        bool closed;
        unsigned n_connections; /* they keep the listener's memory */
        bool poll_closed;
};

typedef struct Connection {
        VsockListener *listener;
        uint32_t cid;
        int fd; /* owned */
        uv_poll_t poll;
        uv_timer_t timer;
        unsigned open_handles;
        bool closing;
        char message[VSOCK_MESSAGE_MAX + 1]; /* with a final newline */
        size_t size;
} Connection;

static void maybe_free(VsockListener *listener)
{
        if (listener->poll_closed && listener->n_connections == 0)
                free(listener);
}

static void on_connection_closed(uv_handle_t *handle)
{
        Connection *connection = handle->data;

        if (--connection->open_handles > 0)
                return;
        connection->listener->n_connections--;
        maybe_free(connection->listener);
        free(connection);
}

static void connection_close(Connection *connection)
{
        if (connection->closing)
                return;
        connection->closing = true;
        uv_close((uv_handle_t *)&connection->poll, on_connection_closed);
        uv_close((uv_handle_t *)&connection->timer, on_connection_closed);
        close(TAKE_FD(connection->fd));
}

static void deliver(Connection *connection)
{
        VsockListener *listener = connection->listener;
        Vm *vm = listener->closed ? NULL : manager_find_cid(listener->manager, connection->cid);

        if (!vm) {
                log_debug("a vsock message of CID %u, which no CVM has, is ignored",
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

static void accept_one(VsockListener *listener)
{
        struct sockaddr_vm peer = {};
        socklen_t length = sizeof(peer);
        _cleanup_close_ int fd = accept4(listener->fd, (struct sockaddr *)&peer, &length,
                                         SOCK_CLOEXEC | SOCK_NONBLOCK);
        Connection *connection;

        if (fd < 0 || listener->n_connections >= VSOCK_CONNECTIONS_MAX)
                return;
        connection = calloc(1, sizeof(*connection));
        if (!connection)
                return;
        if (uv_poll_init(listener->manager->loop, &connection->poll, fd) < 0) {
                free(connection);
                return;
        }
        connection->listener = listener;
        connection->cid = peer.svm_cid;
        connection->fd = TAKE_FD(fd);
        uv_timer_init(listener->manager->loop, &connection->timer);
        connection->poll.data = connection->timer.data = connection;
        connection->open_handles = 2;
        listener->n_connections++;
        uv_poll_start(&connection->poll, UV_READABLE, on_connection);
        uv_timer_start(&connection->timer, on_connection_timeout, VSOCK_MSEC, 0);
}

static void on_listener(uv_poll_t *poll, int status, int events)
{
        if (status == 0)
                accept_one(poll->data);
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
        if (uv_poll_init(manager->loop, &listener->poll, fd) < 0) {
                free(listener);
                return -EIO;
        }
        listener->manager = manager;
        listener->fd = TAKE_FD(fd);
        listener->poll.data = listener;
        uv_poll_start(&listener->poll, UV_READABLE, on_listener);
        manager->notify_port = address.svm_port;
        *ret = listener;
        return 0;
}

static void on_listener_closed(uv_handle_t *handle)
{
        VsockListener *listener = handle->data;

        listener->poll_closed = true;
        maybe_free(listener);
}

void vsock_close(VsockListener *listener)
{
        if (!listener || listener->closed)
                return;
        listener->closed = true;
        uv_close((uv_handle_t *)&listener->poll, on_listener_closed);
        close(TAKE_FD(listener->fd));
}
