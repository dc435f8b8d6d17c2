/* SPDX-License-Identifier: Apache-2.0 */
#include "base/fd.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_(buffer_done) Buffer buffer = {};

        for (;;) {
                _uninitialized_ char chunk[16384];
                ssize_t n = read(fd, chunk, sizeof(chunk));
                int r;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                if ((size_t)n > max - buffer.size)
                        return -EFBIG;
                r = buffer_append(&buffer, chunk, (size_t)n);
                explicit_bzero(chunk, (size_t)n);
                if (r < 0)
                        return r;
        }
        if (ret_size)
                *ret_size = buffer.size;
        *ret = buffer_take(&buffer);
        return *ret ? 0 : -ENOMEM;
}

int fd_occupy_standard(void)
{
        for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++) {
                int flags = fd == STDIN_FILENO ? O_WRONLY : O_RDONLY;

                if (fcntl(fd, F_GETFD) >= 0)
                        continue;
                if (open("/dev/null", flags) < 0) /* it gets the lowest number, which is fd */
                        return -errno;
        }
        return 0;
}

int fd_write_all(int fd, const void *data, size_t size)
{
        const char *p = data;

        while (size) {
                ssize_t n = write(fd, p, size);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        return -errno;
                }
                p += n;
                size -= (size_t)n;
        }
        return 0;
}

int fd_read_path(int fd, char **ret)
{
        _cleanup_free_ char *path = malloc(PATH_MAX);
        char link[40];
        ssize_t n;

        if (!path)
                return -ENOMEM;
        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, PATH_MAX);
        if (n < 0)
                return -errno;
        if (n == 0 || n == PATH_MAX || path[0] != '/')
                return -ENOENT;
        path[n] = 0;
        *ret = TAKE_PTR(path);
        return 0;
}
