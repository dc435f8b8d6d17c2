/* SPDX-License-Identifier: Apache-2.0 */
#include "base/descriptor.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

#include "base/errand.h"

static Descriptor descriptor_of_mode(mode_t mode)
{
        switch (mode & S_IFMT) {
        case S_IFREG:
                return (Descriptor){DESCRIPTOR_USABLE, "a regular file"};
        case S_IFDIR:
                return (Descriptor){DESCRIPTOR_USABLE, "a directory"};
        case S_IFBLK:
                return (Descriptor){DESCRIPTOR_USABLE, "a block device"};
        case S_IFCHR:
                return (Descriptor){DESCRIPTOR_USELESS, "a character device"};
        case S_IFIFO:
                return (Descriptor){DESCRIPTOR_USELESS, "a FIFO"};
        case S_IFSOCK:
                return (Descriptor){DESCRIPTOR_USELESS, "a socket"};
        case S_IFLNK:
                return (Descriptor){DESCRIPTOR_USELESS, "a symbolic link"};
        default:
                return (Descriptor){DESCRIPTOR_USELESS, "something that has no type"};
        }
}

/* By the f_type of statfs(2) and the mode of the file. */
static Descriptor descriptor_of(uint64_t magic, mode_t mode)
{
        const Filesystem filesystem = filesystem_of_magic(magic);

        return filesystem.kind == FILESYSTEM_SERVED
                       ? (Descriptor){DESCRIPTOR_SERVED, filesystem.name}
                       : descriptor_of_mode(mode);
}

/* What is in no directory at all has a link such as "socket:[123]"; every file's begins with '/',
 * also that of one whose name was removed. Returns whether it is such, and *ret is set then. */
static bool descriptor_is_nameless(int fd, Descriptor *ret)
{
        static const struct {
                const char *prefix, *what;
        } kinds[] = {
                {"socket:", "a socket"},
                {"pipe:", "a pipe"},
                {"anon_inode:", "an object of the kernel, such as an eventfd"},
        };
        char path[40], link[32];
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        n = readlink(path, link, sizeof(link) - 1);
        if (n <= 0 || link[0] == '/') /* n < 0: for example a path longer than PATH_MAX */
                return false;
        link[n] = 0;
        *ret = (Descriptor){DESCRIPTOR_USELESS, "not a file"};
        for (size_t i = 0; i < ARRAY_SIZE(kinds); i++)
                if (strncmp(link, kinds[i].prefix, strlen(kinds[i].prefix)) == 0)
                        ret->what = kinds[i].what;
        return true;
}

/* "mnt_id:\t364" among the first lines (proc(5), Linux 3.15). */
static bool descriptor_mount(int fd, uint64_t *ret)
{
        static const char mark[] = "\nmnt_id:";
        char path[48], text[256];
        _cleanup_close_ int info = -1;
        const char *number;
        ssize_t n;

        snprintf(path, sizeof(path), "/proc/self/fdinfo/%d", fd);
        info = open(path, O_RDONLY | O_CLOEXEC);
        n = info < 0 ? -1 : read(info, text, sizeof(text) - 1);
        if (n <= 0)
                return false;
        text[n] = 0;
        number = strstr(text, mark);
        if (!number)
                return false;
        *ret = strtoull(number + strlen(mark), NULL, 10);
        return true;
}

Descriptor descriptor_judge(int fd, MountTable *mounts)
{
        Filesystem filesystem;
        Descriptor nameless;
        struct statx st;
        uint64_t mount;

        if (fcntl(fd, F_GET_SEALS) >= 0) /* of memory alone; sealed or not */
                return (Descriptor){DESCRIPTOR_USABLE, "a regular file"};
        if (descriptor_is_nameless(fd, &nameless))
                return nameless;
        if (!mounts || !descriptor_mount(fd, &mount) ||
            !mount_table_find(mounts, mount, &filesystem))
                return (Descriptor){DESCRIPTOR_UNKNOWN, "a file of an unknown mount"};
        if (filesystem.kind == FILESYSTEM_SERVED)
                return (Descriptor){DESCRIPTOR_SERVED, filesystem.name};
        if (statx(fd, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_TYPE, &st) < 0)
                return (Descriptor){DESCRIPTOR_UNKNOWN, "a file that cannot be looked at"};
        return descriptor_of_mode(st.stx_mode);
}

typedef struct Answer {
        uint64_t magic;
        mode_t mode;
        int error;
} Answer;

static void descriptor_child_run(int socket, const int *fds, size_t n, const void *data)
{
        int fd = fds[0];
        Answer answer = {};
        struct statfs fs;
        struct stat st;

        if (fstatfs(fd, &fs) < 0)
                answer.error = errno;
        else if (answer.magic = (uint64_t)fs.f_type, fstat(fd, &st) < 0)
                answer.error = errno;
        else
                answer.mode = st.st_mode;
        (void)!write(socket, &answer, sizeof(answer));
}

int descriptor_ask(int fd, uid_t uid, Descriptor *ret)
{
        static const ErrandWork work = {descriptor_child_run, NULL, 0};
        Answer answer = {};
        Errand errand;
        int r;

        r = errand_begin(&errand, uid, &work, &fd, 1);
        if (r < 0)
                return r;
        r = errand_receive(&errand, DESCRIPTOR_ASK_MSEC, &answer, sizeof(answer), NULL);
        errand_end(&errand);
        if (r == -ETIMEDOUT)
                *ret = (Descriptor){DESCRIPTOR_SERVED, "a file system that does not answer"};
        else if (r < 0)
                return r;
        else if (answer.error)
                *ret = (Descriptor){DESCRIPTOR_SERVED, filesystem_of_magic(answer.magic).name};
        else
                *ret = descriptor_of(answer.magic, answer.mode);
        return 0;
}
