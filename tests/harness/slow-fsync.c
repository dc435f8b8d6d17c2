/* SPDX-License-Identifier: Apache-2.0 */

/* A slow or broken disk, preloaded: each fsync(2) takes as many milliseconds more as the file that
 * SLOW_FSYNC names says, also while it lasts; "error" there when it begins, and it fails. The file
 * that FSYNC_LOG names, if it is set, gets a letter for each: d of a directory, f of any other
 * file. Likewise each write(2) to the log of a console, as the file that SLOW_CONSOLES
 * names says. */

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#define SLICE 50 /* milliseconds until it looks again */

int fsync(int fd);

static void log_it(int fd)
{
        const char *path = getenv("FSYNC_LOG");
        int log = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
        struct stat st;

        if (log < 0)
                return;
        if (fstat(fd, &st) < 0 || write(log, S_ISDIR(st.st_mode) ? "d" : "f", 1) < 0)
                abort();
        close(log);
}

static void read_setting(const char *variable, char *text, size_t size)
{
        const char *path = getenv(variable);
        int said = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        ssize_t n = said >= 0 ? read(said, text, size - 1) : 0;

        text[n > 0 ? n : 0] = 0;
        if (said >= 0)
                close(said);
}

/* As long as the setting says. Returns 0, or -1 and errno. */
static int wait_as_set(const char *variable)
{
        char text[16];

        read_setting(variable, text, sizeof(text));
        if (strncmp(text, "error", 5) == 0) {
                errno = EIO;
                return -1;
        }
        for (long slept = 0, left; (left = atol(text) - slept) > 0; slept += left) {
                if (left > SLICE)
                        left = SLICE;
                nanosleep(&(struct timespec){.tv_nsec = left * 1000000}, NULL);
                read_setting(variable, text, sizeof(text));
        }
        return 0;
}

int fsync(int fd)
{
        log_it(fd);
        return wait_as_set("SLOW_FSYNC") < 0 ? -1 : (int)syscall(SYS_fsync, fd);
}

static int is_console(int fd)
{
        char link[32], path[256];
        ssize_t n;

        snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
        n = readlink(link, path, sizeof(path) - 1);
        path[n > 0 ? n : 0] = 0;
        return strstr(path, "/consoles/") != NULL;
}

ssize_t write(int fd, const void *data, size_t size)
{
        if (getenv("SLOW_CONSOLES") && is_console(fd) && wait_as_set("SLOW_CONSOLES") < 0)
                return -1;
        return syscall(SYS_write, fd, data, size);
}
