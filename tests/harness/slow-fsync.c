/* SPDX-License-Identifier: Apache-2.0 */

/* A slow or broken disk, preloaded: each fsync(2) takes as many milliseconds more as the file that
 * SLOW_FSYNC names says when it begins; "error" there, and it fails. The file that FSYNC_LOG names,
 * if it is set, gets a letter for each: d of a directory, f of any other file. */

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

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

int fsync(int fd)
{
        const char *path = getenv("SLOW_FSYNC");
        int said = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
        char text[16] = "";
        long msec;

        log_it(fd);

        if (said >= 0) {
                if (read(said, text, sizeof(text) - 1) < 0)
                        text[0] = 0;
                close(said);
        }
        if (strncmp(text, "error", 5) == 0) {
                errno = EIO;
                return -1;
        }
        msec = atol(text);
        nanosleep(&(struct timespec){msec / 1000, msec % 1000 * 1000000}, NULL);
        return (int)syscall(SYS_fsync, fd);
}
