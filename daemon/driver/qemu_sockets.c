/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/qemu_sockets.h"

#include <fcntl.h>

#include "base/fail_point.h"
#include "base/socket.h"
#include "systemd/fdstore.h"

const char *qemu_socket_name(QemuSocket which)
{
        static const char *const names[] = {
                [QEMU_SOCKET_QMP] = "qmp",
                [QEMU_SOCKET_CONSOLE] = "console",
                [QEMU_SOCKET_NOTIFY] = "notify",
                [QEMU_SOCKET_SVSM_LOG] = "svsm-log",
        };
        return names[which];
}

int qemu_socket_listen(int dirfd, QemuSocket which)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_un address;
        int r = socket_address_at(dirfd, qemu_socket_name(which), &address);

        if (r < 0)
                return r;
        if (fd < 0)
                return -errno;
        if (unlinkat(dirfd, qemu_socket_name(which), 0) < 0 && errno != ENOENT)
                return -errno;
        fail_point("socket: to be made");
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0 || listen(fd, 1) < 0)
                return -errno;
        return TAKE_FD(fd);
}

int qemu_socket_connect(int dirfd, QemuSocket which)
{
        struct sockaddr_un address;
        int r = socket_address_at(dirfd, qemu_socket_name(which), &address);

        return r < 0 ? r : socket_connect(&address, SOCK_NONBLOCK);
}

int qemu_socket_connect_kept(int dirfd, QemuSocket which, const char *id)
{
        int fd = fdstore_take(qemu_socket_name(which), id);

        if (fd >= 0)
                return fd;
        fd = qemu_socket_connect(dirfd, which);
        if (fd >= 0)
                fdstore_put(qemu_socket_name(which), id, fd);
        return fd;
}
