/* SPDX-License-Identifier: Apache-2.0 */
#include "local/idmap.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/fork.h"
#include "base/memfd.h"
#include "base/socket.h"
#include "base/text.h"
#include "local/mounts_below.h"

/* The kernel takes a mapping from a user namespace, which only a process can create: a child
 * creates one, passes on its descriptor, which no other process may open while the daemon cannot be
 * dumped, and waits for the socket's end. Only async-signal-safe calls are allowed in it. */
static void namespace_child(int socket)
{
        char byte = 'n';
        int fd;

        if (syscall(SYS_unshare, CLONE_NEWUSER) < 0)
                _exit(1);
        fd = open("/proc/self/ns/user", O_RDONLY | O_CLOEXEC);
        if (fd < 0 || socket_send(socket, &byte, 1, &fd, 1, 0) != 1)
                _exit(1);
        while (read(socket, &byte, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
}

/* What the child handed over, or -errno. */
static int receive_namespace(int socket)
{
        ssize_t n;
        char byte;
        int fd;

        do
                n = socket_receive_fd(socket, &byte, 1, &fd, 0);
        while (n == -EINTR);
        if (n < 0)
                return (int)n;
        return n == 1 && fd >= 0 ? fd : -EPERM;
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
        int sockets[2], handed, r;
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) < 0)
                return -errno;
        handed = sockets[1];
        pid = fork_bare(&handed, 1, SIGCHLD, NULL);
        if (pid == 0)
                namespace_child(handed);
        r = pid < 0 ? pid : 0;
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

static int clone_tree(int dirfd, bool recursive)
{
        unsigned flags = AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC |
                         (recursive ? AT_RECURSIVE : 0);
        int tree = open_tree(dirfd, "", flags);

        return tree < 0 ? -errno : tree;
}

/* A copy of the directory's mount with these attributes. Private: what is mounted or unmounted
 * below the directory from now on is none of its concern. Returns its descriptor or -errno. */
static int map_tree(int dirfd, bool recursive, int namespace, bool read_only)
{
        struct mount_attr attributes = {
                .attr_set = MOUNT_ATTR_IDMAP | MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV |
                            (read_only ? MOUNT_ATTR_RDONLY : 0),
                .propagation = MS_PRIVATE,
                .userns_fd = (uint64_t) namespace,
        };
        _cleanup_close_ int tree = clone_tree(dirfd, recursive);

        if (tree < 0)
                return tree;
        if (mount_setattr(tree, "", AT_EMPTY_PATH | (recursive ? AT_RECURSIVE : 0), &attributes,
                          sizeof(attributes)) < 0)
                return -errno;
        return TAKE_FD(tree);
}

bool idmap_is_here(int dirfd)
{
        _cleanup_close_ int tree = clone_tree(dirfd, false);

        return tree != -EINVAL;
}

/* File systems that may ask a server before they are entered, and cannot be mapped. */
static bool is_remote(const char *type)
{
        static const char *const types[] = {"nfs", "nfs4", "cifs", "smb3", "afs", "9p", "autofs"};

        for (size_t i = 0; i < ARRAY_SIZE(types); i++)
                if (strcmp(type, types[i]) == 0)
                        return true;
        return false;
}

/* Whether this mount alone can be mapped. Asks no file system: what cannot be reached through the
 * kernel's cache alone (RESOLVE_CACHED), or lies under another mount, passes for one that can. */
static bool can_be_mapped(const MountBelow *mount, int namespace)
{
        struct open_how how = {
                .flags = O_PATH | O_CLOEXEC,
                .resolve = RESOLVE_CACHED | RESOLVE_NO_SYMLINKS,
        };
        _cleanup_close_ int fd = -1, tree = -1;

        if (is_remote(mount->type))
                return false;
        fd = (int)syscall(SYS_openat2, AT_FDCWD, mount->path, &how, sizeof(how));
        if (fd < 0)
                return true;
        tree = map_tree(fd, false, namespace, false);
        return tree >= 0;
}

/* Names those below that cannot be mapped; all of them if none can be made out. */
static int refuse_below(const MountsBelow *below, int namespace, int r, const char *field,
                        CvmError *error)
{
        _cleanup_(buffer_done) Buffer named = {}, all = {};
        int written = 0;

        for (size_t i = 0; written == 0 && i < below->n; i++) {
                const MountBelow *mount = &below->list[i];

                written = buffer_appendf(&all, "%s%s (%s)", i > 0 ? ", " : "", mount->path,
                                         mount->type);
                if (written == 0 && !can_be_mapped(mount, namespace))
                        written = buffer_appendf(&named, "%s%s (%s)", named.size ? ", " : "",
                                                 mount->path, mount->type);
        }
        if (written < 0)
                return cvm_error_system(error, written, "examine the mounts below a share");
        return cvm_error_invalid_spec(
                error, field,
                "a file system mounted below it cannot be shared under the CVM's own uid "
                "(id-mapped mount: %s): %s; unmount it, or share directories that are not above it",
                strerror(-r), named.size ? named.data : all.data);
}

static int refuse_root(int r, const char *field, CvmError *error)
{
        if (r == -EINVAL || r == -EPERM || r == -EOPNOTSUPP)
                return cvm_error_invalid_spec(
                        error, field,
                        "its file system cannot be shared under the CVM's own uid (id-mapped "
                        "mount: %s); use a directory on ext4, xfs, btrfs or tmpfs",
                        strerror(-r));
        return cvm_error_invalid_spec(error, field, "cannot be mounted for the CVM: %s",
                                      strerror(-r));
}

/* What a recursive copy would leave out silently. */
static int check_below(int dirfd, MountsBelow *ret, const char *field, CvmError *error)
{
        int r = mounts_below_read(dirfd, "/proc/self/mountinfo", IDMAP_MOUNTS_MAX, ret);

        if (r == -E2BIG)
                return cvm_error_invalid_spec(error, field,
                                              "has more than %u file systems mounted below it; "
                                              "share directories with fewer",
                                              IDMAP_MOUNTS_MAX);
        if (r < 0)
                return cvm_error_system(error, r, "examine the mounts below a share");
        for (size_t i = 0; i < ret->n; i++)
                if (ret->list[i].unbindable)
                        return cvm_error_invalid_spec(
                                error, field,
                                "a file system mounted below it is unbindable and cannot be "
                                "shared: %s (%s); unmount it, or share directories that are not "
                                "above it",
                                ret->list[i].path, ret->list[i].type);
        return 0;
}

int idmap_open(int dirfd, const IdMap *map, bool read_only, const char *field, int *ret,
               CvmError *error)
{
        _cleanup_close_ int namespace = namespace_open(map), tree = -1;
        _cleanup_(mounts_below_done) MountsBelow below = {};
        int r;

        if (namespace < 0)
                return cvm_error_system(error, namespace, "make a user namespace for a share");
        if (!idmap_is_here(dirfd))
                return cvm_error_invalid_spec(error, field,
                                              "is in a mount namespace that is not the daemon's");
        r = check_below(dirfd, &below, field, error);
        if (r < 0)
                return r;
        tree = map_tree(dirfd, true, namespace, read_only);
        if (tree < 0 && below.n > 0) {
                _cleanup_close_ int alone = map_tree(dirfd, false, namespace, read_only);

                if (alone >= 0)
                        return refuse_below(&below, namespace, tree, field, error);
        }
        if (tree < 0)
                return refuse_root(tree, field, error);
        *ret = TAKE_FD(tree);
        return 0;
}
