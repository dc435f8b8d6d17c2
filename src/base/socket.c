/* SPDX-License-Identifier: Apache-2.0 */
#include "base/socket.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

typedef union SocketControl {
        struct cmsghdr header; /* aligns the bytes */
        char bytes[CMSG_SPACE(sizeof(int) * SOCKET_FDS_MAX)];
} SocketControl;

ssize_t socket_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds,
                    int flags)
{
        SocketControl control = {};
        struct iovec iov = {(void *)data, size};
        struct msghdr message = {.msg_iov = &iov, .msg_iovlen = 1};
        ssize_t n;

        assert(n_fds <= SOCKET_FDS_MAX);
        if (n_fds > 0) {
                message.msg_control = &control;
                message.msg_controllen = CMSG_SPACE(sizeof(int) * n_fds);
                control.header.cmsg_level = SOL_SOCKET;
                control.header.cmsg_type = SCM_RIGHTS;
                control.header.cmsg_len = CMSG_LEN(sizeof(int) * n_fds);
                memcpy(CMSG_DATA(&control.header), fds, sizeof(int) * n_fds);
        }
        n = sendmsg(socket, &message, flags | MSG_NOSIGNAL);
        return n < 0 ? -errno : n;
}

ssize_t socket_receive(int socket, void *data, size_t size, SocketFds *ret, int flags)
{
        SocketControl control = {};
        struct iovec iov = {data, size};
        struct msghdr message = {
                .msg_iov = &iov,
                .msg_iovlen = 1,
                .msg_control = &control,
                .msg_controllen = sizeof(control),
        };
        ssize_t n = recvmsg(socket, &message, flags | MSG_CMSG_CLOEXEC);

        if (n < 0)
                return -errno;
        ret->n = 0;
        ret->truncated = message.msg_flags & MSG_CTRUNC;
        for (struct cmsghdr *c = CMSG_FIRSTHDR(&message); c; c = CMSG_NXTHDR(&message, c)) {
                size_t n_fds = (c->cmsg_len - CMSG_LEN(0)) / sizeof(int);

                if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_RIGHTS)
                        continue;
                /* they all fitted into `control` */
                memcpy(ret->fds + ret->n, CMSG_DATA(c), sizeof(int) * n_fds);
                ret->n += n_fds;
        }
        return n;
}

ssize_t socket_receive_fd(int socket, void *data, size_t size, int *ret_fd, int flags)
{
        SocketFds received;
        ssize_t n = socket_receive(socket, data, size, &received, flags);

        if (n < 0)
                return n;
        for (size_t i = 1; i < received.n; i++)
                close(received.fds[i]);
        *ret_fd = received.n > 0 ? received.fds[0] : -1;
        return n;
}

int socket_address(const char *path, struct sockaddr_un *ret)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};

        if (!*path)
                return -ENOENT;
        if (!text_copy(address.sun_path, sizeof(address.sun_path), path))
                return -ENAMETOOLONG;
        *ret = address;
        return 0;
}

int socket_address_at(int dirfd, const char *name, struct sockaddr_un *ret)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int n = snprintf(address.sun_path, sizeof(address.sun_path), "/proc/self/fd/%d%s%s", dirfd,
                         name ? "/" : "", name ?: "");

        if (n < 0 || (size_t)n >= sizeof(address.sun_path))
                return -ENAMETOOLONG;
        *ret = address;
        return 0;
}

int socket_connect(const struct sockaddr_un *address, int flags)
{
        _cleanup_close_ int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | flags, 0);

        if (fd < 0)
                return -errno;
        while (connect(fd, (const struct sockaddr *)address, sizeof(*address)) < 0)
                if (errno != EINTR)
                        return -errno;
        return TAKE_FD(fd);
}
