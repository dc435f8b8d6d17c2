/* SPDX-License-Identifier: Apache-2.0 */
#include "base/file.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail_point.h"
#include "base/fd.h"
#include "base/memfd.h"
#include "base/text.h"

FileFault file_fault(int r)
{
        switch (-r) {
        case EMFILE:
        case ENFILE:
        case ENOMEM:
        case ENOBUFS:
        case EAGAIN:
        case ENOSPC:
        case EDQUOT:
                return FILE_FAULT_SHORTAGE;
        case EIO:
        case EREMOTEIO:
        case EUCLEAN:
        case ESTALE:
        case ENOTCONN:
        case ECONNABORTED:
        case ECONNREFUSED:
        case ECONNRESET:
        case EHOSTDOWN:
        case EHOSTUNREACH:
        case ENETUNREACH:
        case ETIMEDOUT:
                return FILE_FAULT_HOST;
        default:
                return FILE_FAULT_FILE;
        }
}

int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_RDONLY | O_CLOEXEC | O_NOCTTY);

        return fd < 0 ? -errno : fd_read_all(fd, max, ret, ret_size);
}

/* `sync`: the new file's bytes are on disk before it has the name. */
static int file_replace(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
                        bool sync, int *ret_fd)
{
        _cleanup_free_ char *temporary = NULL;
        _cleanup_close_ int fd = -1;
        int r;

        temporary = text_format(".%s.new", name);
        if (!temporary)
                return -ENOMEM;
        if (unlinkat(dirfd, temporary, 0) < 0 && errno != ENOENT)
                return -errno;
        fail_point("file: to be written");
        fd = openat(dirfd, temporary, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, mode);
        if (fd < 0)
                return -errno;
        fail_point("file: empty");
        r = fd_write_all(fd, data, size);
        if (r == 0 && (fchmod(fd, mode) < 0 || (sync && fsync(fd) < 0)))
                r = -errno;
        fail_point("file: to be renamed");
        if (r == 0 && renameat(dirfd, temporary, dirfd, name) < 0)
                r = -errno;
        fail_point("file: renamed");
        if (r < 0) {
                unlinkat(dirfd, temporary, 0);
                return r;
        }
        *ret_fd = TAKE_FD(fd);
        return 0;
}

int file_write_atomic_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode)
{
        _cleanup_close_ int fd = -1;
        int r = file_replace(dirfd, name, data, size, mode, true, &fd);

        if (r == 0 && fsync(dirfd) < 0 && errno != EINVAL)
                r = -errno;
        return r;
}

int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
                    int *ret_fd)
{
        return file_replace(dirfd, name, data, size, mode, false, ret_fd);
}

char *file_path_at(int dirfd, const char *name)
{
        _cleanup_free_ char *directory = NULL;

        if (fd_read_path(dirfd, &directory) < 0)
                return strdup(name ?: "its directory");
        return text_format("%s%s%s", directory, name ? "/" : "", name ?: "");
}
