/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Opening what a client names, with the client's rights, never with the daemon's.
 *
 * A short-lived child takes the caller's uid, gid and groups, drops every capability and
 * descriptor, opens the path (openat2(2), RESOLVE_NO_MAGICLINKS, O_NONBLOCK, O_NOCTTY, O_CLOEXEC)
 * and passes the descriptor back. The child is killed after CALLER_OPEN_MSEC, so that a dead
 * network file system cannot hold a thread for ever. Blocks its thread: run it in a worker.
 * Thread-safe.
 *
 * The daemon reads what the child opened. That is the same as reading with the caller's rights
 * where a file's content does not depend on who reads it. It does depend on it in proc, sysfs,
 * debugfs and their like, whose files the kernel writes at each read, for the reader's rights: no
 * such file is content, by path or by descriptor. Thus nothing need be read in the child.
 */

#include <sys/types.h>

#include "base/error.h"

#define CALLER_OPEN_MSEC 5000

typedef struct Caller {
        uid_t uid;
        gid_t gid;
        const gid_t *groups; /* borrowed */
        size_t n_groups;
} Caller;

typedef enum CallerOpen {
        CALLER_OPEN_FILE,      /* a regular file, read only */
        CALLER_OPEN_DISK,      /* a regular file or a block device; `writable` opens it for
                                * writing too */
        CALLER_OPEN_DIRECTORY, /* a directory; `writable` wants write permission in it */
} CallerOpen;

/* Path must be absolute. `field` names the spec field for errors (InvalidSpec: does not
 * exist, is not readable by the caller, is a FIFO, device, file of proc, …). Returns 0 and an
 * fd, or -errno. */
int caller_open(const Caller *caller, const char *path, CallerOpen what, bool writable,
                const char *field, int *ret, CvmError *error);

/* The same checks for a descriptor that the client sent; fd is borrowed. A file's proves the right
 * to read it by itself (not if it was opened with O_PATH or only for writing: refused), and a
 * disk's the right to write it if it is open for that. A directory's proves too little, least of
 * all a right to write: what the caller may do there is asked as above. */
int caller_check_fd(const Caller *caller, int fd, CallerOpen what, bool writable, const char *field,
                    CvmError *error);
