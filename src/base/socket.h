/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Unix sockets: messages that carry descriptors (SCM_RIGHTS, unix(7)), and addresses. All of it is
 * async-signal-safe (signal-safety(7)), so that a child that fork_bare() has made may use it. */

#include <sys/socket.h>
#include <sys/un.h>

#include "base/macros.h"

#define SOCKET_FDS_MAX 253 /* descriptors that one message can carry: SCM_MAX_FD of Linux */

typedef struct SocketFds {
        int fds[SOCKET_FDS_MAX]; /* owned by the receiver; they close on exec */
        size_t n;
        bool truncated; /* further ones were lost, for example since this process has too many */
} SocketFds;

/* Sends bytes, 1 or more, and up to SOCKET_FDS_MAX copies of descriptors with the first of them.
 * flags: of send(2); a peer that has gone never raises a signal. Returns how many bytes were sent,
 * or -errno. */
ssize_t socket_send(int socket, const void *data, size_t size, const int *fds, size_t n_fds,
                    int flags);
/* Receives up to `size` bytes and the descriptors that came with them. Nothing is received on
 * failure. Returns the number of bytes, 0 at the stream's end, or -errno. */
ssize_t socket_receive(int socket, void *data, size_t size, SocketFds *ret, int flags);
/* The same for a message with at most one descriptor; any others are closed. *ret_fd is -1 if the
 * message has none; it is set if this returns a number of bytes. */
ssize_t socket_receive_fd(int socket, void *data, size_t size, int *ret_fd, int flags);

/* Returns 0, -ENAMETOOLONG (108 bytes and more), or -ENOENT for an empty path, which would stand
 * for an abstract address. */
int socket_address(const char *path, struct sockaddr_un *ret);
/* The address of a name below an open directory, which is short wherever the directory is; of the
 * descriptor itself if name is NULL. The address is valid while dirfd is open. Returns what
 * socket_address() returns. */
int socket_address_at(int dirfd, const char *name, struct sockaddr_un *ret);
/* Connects a new stream socket. flags: SOCK_NONBLOCK or 0. Returns its descriptor, which closes on
 * exec, or -errno; -EAGAIN: the peer's queue is full, and SOCK_NONBLOCK is set. */
int socket_connect(const struct sockaddr_un *address, int flags);
