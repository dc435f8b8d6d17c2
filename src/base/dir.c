/* SPDX-License-Identifier: Apache-2.0 */
#include "base/dir.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

static int dir_make_parents(const char *path)
{
        _cleanup_free_ char *copy = strdup(path);

        if (!copy)
                return -ENOMEM;
        for (char *p = strchr(copy + 1, '/'); p; p = strchr(p + 1, '/')) {
                *p = 0;
                if (mkdir(copy, 0755) < 0 && errno != EEXIST)
                        return -errno;
                *p = '/';
        }
        return 0;
}

int dir_open_private(const char *path_given, mode_t mode)
{
        _cleanup_free_ char *path = strdup(path_given);
        _cleanup_close_ int fd = -1;
        struct stat st;
        int r;

        if (!path)
                return -ENOMEM;
        /* with a '/' at the end O_NOFOLLOW would follow */
        for (size_t n = strlen(path); n > 1 && path[n - 1] == '/'; n--)
                path[n - 1] = 0;
        r = dir_make_parents(path);
        if (r < 0)
                return r;
        if (mkdir(path, mode) < 0 && errno != EEXIST)
                return -errno;
        fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return errno == ELOOP ? -ENOTDIR : -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (st.st_uid != geteuid() || (st.st_mode & (S_IWGRP | S_IWOTH) & ~mode))
                return -EPERM;
        if (fchmod(fd, mode) < 0)
                return -errno;
        return TAKE_FD(fd);
}
