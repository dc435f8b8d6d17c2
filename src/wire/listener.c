/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/listener.h"

#include <fcntl.h>
#include <libgen.h>
#include <poll.h>
#include <string.h>
#include <sys/file.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>

#include "base/clock.h"
#include "base/socket.h"

/* Waits up to `msec` for another process that has the lock. */
static int wire_listener_lock_directory(const char *path, int msec)
{
        const int64_t end = clock_monotonic_msec() + msec;
        _cleanup_free_ char *copy = strdup(path);
        _cleanup_close_ int fd = -1;

        if (!copy)
                return -ENOMEM;
        fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        for (;;) {
                if (flock(fd, LOCK_EX | LOCK_NB) == 0)
                        return TAKE_FD(fd);
                if (errno != EWOULDBLOCK)
                        return -errno;
                if (clock_monotonic_msec() >= end)
                        return -EBUSY;
                nanosleep(&(struct timespec){.tv_nsec = 10 * 1000 * 1000}, NULL);
        }
}

/* Waits until the other end is closed, at most until `end`. Returns whether it is. */
static bool wire_listener_hangs_up(int fd, int64_t end)
{
        struct pollfd peer = {.fd = fd}; /* POLLHUP is always reported */
        int r;

        do {
                const int64_t left = end - clock_monotonic_msec();

                r = poll(&peer, 1, left > 0 ? (int)left : 0);
        } while (r < 0 && errno == EINTR);
        return r > 0;
}

/* Returns -ECONNREFUSED if nobody listens at the address, or -EADDRINUSE if a process does so
 * for `msec`: a child that a killed daemon was just making has the socket until it has closed what
 * it inherited. */
static int wire_listener_probe(const struct sockaddr_un *address, int msec)
{
        const int64_t end = clock_monotonic_msec() + msec;

        for (;;) {
                _cleanup_close_ int fd = socket_connect(address, SOCK_NONBLOCK);

                if (fd == -EPROTOTYPE) /* a socket of another type */
                        return -EADDRINUSE;
                if (fd < 0 && fd != -EAGAIN)
                        return fd;
                /* EAGAIN is a full backlog */
                if (fd >= 0 && !wire_listener_hangs_up(fd, end))
                        return -EADDRINUSE;
                if (clock_monotonic_msec() >= end)
                        return -EADDRINUSE;
                nanosleep(&(struct timespec){.tv_nsec = 5 * 1000 * 1000}, NULL);
        }
}

/* Makes way at the address: 0 once there is nothing. */
static int remove_dead_socket(const struct sockaddr_un *address, int msec)
{
        struct stat st;
        int r;

        if (lstat(address->sun_path, &st) < 0)
                return errno == ENOENT ? 0 : -errno;
        if (!S_ISSOCK(st.st_mode))
                return -EEXIST;

        r = wire_listener_probe(address, msec);
        if (r != -ECONNREFUSED)
                return r;
        return unlink(address->sun_path) < 0 ? -errno : 0;
}

/* Rights before the first connection is possible. */
static int publish(int fd, const char *path, mode_t mode, gid_t group, struct stat *ret)
{
        if (lstat(path, ret) < 0)
                return -errno;
        if (group != (gid_t)-1 && lchown(path, (uid_t)-1, group) < 0)
                return -errno;
        if (chmod(path, mode) < 0)
                return -errno;
        if (listen(fd, SOMAXCONN) < 0)
                return -errno;
        return 0;
}

int wire_listener_open(const char *path, mode_t mode, gid_t group, int msec, WireListenerPath *ret)
{
        struct sockaddr_un address;
        _cleanup_close_ int lock = -1, fd = -1;
        _cleanup_free_ char *copy = NULL;
        struct stat st;
        int r = socket_address(path, &address);

        if (r < 0)
                return r;
        copy = strdup(path);
        if (!copy)
                return -ENOMEM;

        /* the process that has the lock may wait for as long, and work then */
        lock = wire_listener_lock_directory(path, msec + msec / 2);
        if (lock < 0)
                return lock;
        r = remove_dead_socket(&address, msec);
        if (r < 0)
                return r;

        fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
        if (fd < 0)
                return -errno;
        /* the mode of the unbound socket is what bind(2) gives the file, less the umask */
        if (fchmod(fd, S_IRUSR | S_IWUSR) < 0)
                return -errno;
        if (bind(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                return -errno;
        r = publish(fd, path, mode, group, &st);
        if (r < 0) {
                unlink(path);
                return r;
        }

        *ret = (WireListenerPath){
                .path = TAKE_PTR(copy),
                .device = st.st_dev,
                .inode = st.st_ino,
        };
        return TAKE_FD(fd);
}

int wire_listener_path_of(int fd, WireListenerPath *ret)
{
        struct sockaddr_un address = {};
        socklen_t length = sizeof(address) - 1; /* a path of full length has no NUL */
        struct stat st;
        char *copy;

        if (getsockname(fd, (struct sockaddr *)&address, &length) < 0)
                return -errno;
        if (address.sun_family != AF_UNIX || address.sun_path[0] == '\0')
                return -ENOENT;
        if (lstat(address.sun_path, &st) < 0)
                return -errno;
        copy = strdup(address.sun_path);
        if (!copy)
                return -ENOMEM;
        *ret = (WireListenerPath){.path = copy, .device = st.st_dev, .inode = st.st_ino};
        return 0;
}

bool wire_listener_path_is_there(const WireListenerPath *path)
{
        struct stat st;

        return lstat(path->path, &st) == 0 && st.st_dev == path->device && st.st_ino == path->inode;
}

void wire_listener_path_done(WireListenerPath *path)
{
        if (path->path && wire_listener_path_is_there(path))
                unlink(path->path);
        wire_listener_path_leave(path);
}

void wire_listener_path_leave(WireListenerPath *path)
{
        free(path->path);
        *path = (WireListenerPath){};
}
