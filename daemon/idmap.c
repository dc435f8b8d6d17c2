/* SPDX-License-Identifier: Apache-2.0 */
#include "idmap.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/memfd.h"

/* The kernel takes a mapping from a user namespace, and a namespace needs a process to be made in:
 * a child that makes one, hands over its descriptor, which only itself may open while the daemon
 * cannot be dumped, and waits for the socket's end. Only async-signal-safe calls in it. */
static void namespace_child(int socket)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))] = {};
        char byte = 'n';
        struct iovec data = {&byte, 1};
        struct msghdr message = {.msg_iov = &data,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        struct cmsghdr *header = CMSG_FIRSTHDR(&message);
        int fd;

        if (syscall(SYS_unshare, CLONE_NEWUSER) < 0)
                _exit(1);
        fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        if (fd < 0)
                _exit(1);
        header->cmsg_level = SOL_SOCKET;
        header->cmsg_type = SCM_RIGHTS;
        header->cmsg_len = CMSG_LEN(sizeof(fd));
        memcpy(CMSG_DATA(header), &fd, sizeof(fd));
        if (sendmsg(socket, &message, MSG_NOSIGNAL) != 1)
                _exit(1);
        while (read(socket, &byte, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

/* What the child handed over, or -errno. */
static int receive_namespace(int socket)
{
        _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
        char byte;
        struct iovec data = {&byte, 1};
        struct msghdr message = {.msg_iov = &data,
                                 .msg_iovlen = 1,
                                 .msg_control = control,
                                 .msg_controllen = sizeof(control)};
        struct cmsghdr *header;
        ssize_t n;
        int fd;

        do
                n = recvmsg(socket, &message, MSG_CMSG_CLOEXEC);
        while (n < 0 && errno == EINTR);
        if (n < 0)
                return -errno;
        header = n == 1 ? CMSG_FIRSTHDR(&message) : NULL;
        if (!header || header->cmsg_type != SCM_RIGHTS)
                return -EPERM;
        memcpy(&fd, CMSG_DATA(header), sizeof(fd));
        return fd;
}

static int write_map(pid_t pid, const char *file, unsigned inside, unsigned outside)
{
        _cleanup_close_ int fd = -1;
        char path[48], line[48];
        int n;

        snprintf(path, sizeof(path), "/proc/%d/%s", (int)pid, file);
        n = snprintf(line, sizeof(line), "%u %u 1\n", inside, outside);
        fd = open(path, O_WRONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd_write_all(fd, line, (size_t)n);
}

/* A user namespace with this mapping. Returns its descriptor or -errno. */
static int namespace_open(const IdMap *map)
{
        _cleanup_close_ int fd = -1;
        int sockets[2], r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        pid = fork();
        if (pid == 0) {
                close(sockets[0]); /* or it would wait for itself */
                namespace_child(sockets[1]);
        }
        r = pid < 0 ? -errno : 0;
        close(sockets[1]);
        if (r == 0) {
                fd = receive_namespace(sockets[0]);
                r = fd < 0 ? fd : write_map(pid, "uid_map", map->uid, map->vm_uid);
        }
        if (r == 0)
                r = write_map(pid, "gid_map", map->gid, map->vm_gid);
        close(sockets[0]);
        while (pid > 0 && waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r < 0 ? r : TAKE_FD(fd);
}

static int clone_tree(int dirfd)
{
        int tree = open_tree(dirfd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

        return tree < 0 ? -errno : tree;
}

bool idmap_is_here(int dirfd)
{
        _cleanup_close_ int tree = clone_tree(dirfd);

        return tree != -EINVAL;
}

int idmap_open(int dirfd, const IdMap *map, bool read_only, const char *field, int *ret,
               CvmError *error)
{
        _cleanup_close_ int namespace = namespace_open(map), tree = -1;
        struct mount_attr attributes = {
                .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                            (read_only ? MOUNT_ATTR_RDONLY : 0),
                .userns_fd = (uint64_t) namespace,
        };

        if (namespace < 0)
                return cvm_error_system(error, namespace, "make a user namespace for a share");
        tree = clone_tree(dirfd);
        if (tree == -EINVAL)
                return cvm_error_invalid_spec(error, field,
                                              "is in a mount namespace that is not the daemon's");
        if (tree < 0)
                return cvm_error_invalid_spec(error, field, "cannot be mounted for the CVM: %s",
                                              strerror(-tree));
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return cvm_error_invalid_spec(
                        error, field,
                        "its file system cannot be shared under the CVM's own uid (id-mapped "
                        "mount: %s); use a directory on ext4, xfs, btrfs or tmpfs",
                        strerror(errno));
        *ret = TAKE_FD(tree);
        return 0;
}
