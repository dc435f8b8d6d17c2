/* SPDX-License-Identifier: Apache-2.0 */

/* A disk with a bad block, preloaded: read(2) of a file fails with EIO as long as its inode's
 * number is the one that the file that BAD_BLOCK names holds as text. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

ssize_t read(int fd, void *data, size_t size);

static ssize_t really_read(int fd, void *data, size_t size)
{
        return syscall(SYS_read, fd, data, size);
}

static unsigned long bad_inode(void)
{
        const char *path = getenv("BAD_BLOCK");
        int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        char text[24] = "";

        if (fd < 0)
                return 0;
        if (really_read(fd, text, sizeof(text) - 1) < 0)
                text[0] = 0;
        close(fd);
        return strtoul(text, NULL, 10);
}

ssize_t read(int fd, void *data, size_t size)
{
        unsigned long bad = bad_inode();
        struct stat st;

        if (bad > 0 && fstat(fd, &st) == 0 && st.st_ino == bad) {
                errno = EIO;
                return -1;
        }
        return really_read(fd, data, size);
}
