/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Which QEMUs were started, and whether two of one CVM ever lived at once. DIR/UUID is locked as
 * long as the process lives (flock(2): the kernel unlocks it, however the process ends); DIR/log
 * has a line for each start:
 *
 *   start UUID PID NAME
 *   twice UUID PID NAME   another one still has the lock
 *
 * The QEMUs of a daemon of root's have a uid each, so that DIR and DIR/log must be writable for
 * all.
 */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>

#include "fake/fake.h"

static void starts_open(int dirfd, const char *name, int flags, int *ret)
{
        *ret = openat(dirfd, name, flags | O_CLOEXEC, 0666);
        if (*ret < 0) {
                fprintf(stderr, "%s: fake.starts: %s: %s\n", program, name, strerror(errno));
                exit(1);
        }
}

void starts_note(const char *directory)
{
        _cleanup_free_ char *line = NULL;
        int dirfd, lock, log, size;
        bool alone;

        starts_open(AT_FDCWD, directory, O_PATH | O_DIRECTORY, &dirfd);
        umask(0);
        starts_open(dirfd, options.uuid ?: "none", O_RDONLY | O_CREAT, &lock);
        starts_open(dirfd, "log", O_WRONLY | O_APPEND, &log);
        alone = flock(lock, LOCK_EX | LOCK_NB) == 0; /* never closed */
        size = asprintf(&line, "%s %s %d %s\n", alone ? "start" : "twice", options.uuid ?: "none",
                        getpid(), options.name ?: "");
        if (size < 0 || write(log, line, (size_t)size) != size) {
                fprintf(stderr, "%s: fake.starts: %s\n", program, strerror(errno));
                exit(1);
        }
        close(log);
        close(dirfd);
}
