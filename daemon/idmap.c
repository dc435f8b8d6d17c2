/* SPDX-License-Identifier: Apache-2.0 */
#include "idmap.h"

#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/memfd.h"

/* The kernel takes a mapping from a user namespace, and a namespace needs a process to be made in:
 * a child that makes one, says so, and waits for the pipe's end. Only async-signal-safe calls in
 * it. */
static void namespace_child(int said, int wait_for)
{
        char byte = 'n';

        if (syscall(SYS_unshare, CLONE_NEWUSER) < 0 || write(said, &byte, 1) != 1)
                _exit(1);
        while (read(wait_for, &byte, 1) < 0 && errno == EINTR)
                ;
        _exit(0);
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

static int namespace_of(pid_t pid, const IdMap *map)
{
        char path[48];
        int fd, r;

        r = write_map(pid, "uid_map", map->uid, map->vm_uid);
        if (r == 0)
                r = write_map(pid, "gid_map", map->gid, map->vm_gid);
        if (r < 0)
                return r;
        snprintf(path, sizeof(path), "/proc/%d/ns/user", (int)pid);
        fd = open(path, O_RDONLY | O_CLOEXEC);
        return fd < 0 ? -errno : fd;
}

/* A user namespace with this mapping. Returns its descriptor or -errno. */
static int namespace_open(const IdMap *map)
{
        _cleanup_close_ int said_read = -1, said_write = -1, wait_read = -1, wait_write = -1;
        int said[2], wait_for[2], r;
        char byte;
        pid_t pid;

        if (pipe2(said, O_CLOEXEC) < 0)
                return -errno;
        said_read = said[0], said_write = said[1];
        if (pipe2(wait_for, O_CLOEXEC) < 0)
                return -errno;
        wait_read = wait_for[0], wait_write = wait_for[1];

        pid = fork();
        if (pid < 0)
                return -errno;
        if (pid == 0) {
                close(wait_write); /* or it would wait for itself */
                namespace_child(said_write, wait_read);
        }
        close(TAKE_FD(said_write));
        r = read(said_read, &byte, 1) == 1 ? namespace_of(pid, map) : -EPERM;
        close(TAKE_FD(wait_write));
        while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
                ;
        return r;
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
        tree = open_tree(dirfd, "", AT_EMPTY_PATH | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);
        if (tree < 0)
                return cvm_error_invalid_spec(error, field, "cannot be mounted for the CVM: %s",
                                              strerror(errno));
        if (mount_setattr(tree, "", AT_EMPTY_PATH, &attributes, sizeof(attributes)) < 0)
                return cvm_error_invalid_spec(
                        error, field,
                        "its file system cannot be shared under the CVM's own uid (id-mapped "
                        "mount: %s); use a directory on ext4, xfs, btrfs or tmpfs",
                        strerror(errno));
        *ret = TAKE_FD(tree);
        return 0;
}
