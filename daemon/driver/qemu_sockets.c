/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/qemu_sockets.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "base/fail_point.h"
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

/* The address by way of the directory's descriptor: short enough wherever the directory is. */
static struct sockaddr_un address_of(int dirfd, QemuSocket which)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d/%s", dirfd,
                 qemu_socket_name(which));
        return address;
}

int qemu_socket_listen(int dirfd, QemuSocket which)
{
        struct sockaddr_un address = address_of(dirfd, which);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

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
        struct sockaddr_un address = address_of(dirfd, which);
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

        if (fd < 0)
                return -errno;
        if (connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        return TAKE_FD(fd);
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
