/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Opening what a client names, with the client's rights, never with the daemon's.
 *
 * A short-lived child takes the caller's uid, gid and groups, drops every capability and
 * descriptor, opens the path (openat2(2), RESOLVE_NO_MAGICLINKS, O_NONBLOCK, O_NOCTTY, O_CLOEXEC)
 * and passes the descriptor back. The child is killed after CALLER_OPEN_MSEC, and left behind if
 * that does not end it (base/errand.h), so that a server that has gone does not block a thread for
 * good. Blocks its thread: run it in a worker. Thread-safe.
 *
 * The daemon itself reads a file that the child opened on a local file system: its content does not
 * depend on who reads it. The content does depend on the reader in proc, sysfs, debugfs and similar
 * file systems, whose files the kernel writes at each read; their files are refused, by path and by
 * descriptor. The child reads a file for which a server answers (FUSE, NFS, and every file system
 * that is not known to be local), and the daemon gets a copy.
 */

#include <sys/types.h>

#include "base/descriptor.h"
#include "base/error.h"

#define CALLER_OPEN_MSEC 5000
/* A server that answers for a file has as long for each CALLER_READ_STEP bytes of it, and for the
 * rest. Slower than any line on which artifacts are kept. */
#define CALLER_READ_MSEC 30000
#define CALLER_READ_STEP (1u << 20)

/* All files of one launch together have so long, and a second more for each CALLER_LOAD_RATE bytes
 * that a server is to send: bytes that drip would hold a worker for hours. */
#define CALLER_LOAD_MSEC 60000
#define CALLER_LOAD_RATE (4u << 20)

typedef struct CallerBudget {
        int64_t msec; /* that are left; what is waited for is taken from it */
} CallerBudget;

typedef struct Caller {
        uid_t uid;
        gid_t gid;
        const gid_t *groups; /* borrowed */
        size_t n_groups;
        CallerBudget *budget; /* borrowed; NULL: each file is bounded alone */
} Caller;

typedef enum CallerOpen {
        CALLER_OPEN_FILE,      /* a regular file, read only */
        CALLER_OPEN_PLAIN,     /* the same, and no part of its path is a symbolic link */
        CALLER_OPEN_DISK,      /* a regular file or a block device; `writable` opens it for
                                * writing too */
        CALLER_OPEN_DIRECTORY, /* a directory; `writable` wants write permission in it */
} CallerOpen;

/* Path must be absolute. `field` names the spec field for errors (InvalidSpec: does not
 * exist, is not readable by the caller, is a FIFO, device, file of proc, …). Returns 0 and an
 * fd, or -errno. */
int caller_open(const Caller *caller, const char *path, CallerOpen what, bool writable,
                const char *field, int *ret, CvmError *error);

typedef struct CallerContent {
        uint64_t max; /* bytes */
        /* Called with the size before a file is copied; what it refuses with is the error. May be
         * NULL. Not called for a file that is handed over as it is. */
        int (*reserve)(void *userdata, uint64_t size, CvmError *error);
        void *userdata;
        int step_msec; /* 0: CALLER_READ_MSEC */
        bool no_links; /* as CALLER_OPEN_PLAIN */
} CallerContent;

/* As caller_open() for CALLER_OPEN_FILE, but a file that a server answers for is read by the child,
 * as long as its content keeps coming (CALLER_READ_MSEC): *ret is then a sealed copy of it in
 * memory, at its beginning, and *ret_copied is true. InvalidSpec also for one that is longer than
 * content->max or changes while it is read. */
int caller_read(const Caller *caller, const char *path, const CallerContent *content,
                const char *field, int *ret, bool *ret_copied, CvmError *error);

/* The same checks for a descriptor that the client sent and that was judged when it was received;
 * fd is borrowed. One of an unknown mount is asked now (descriptor_ask()), and refused where a
 * server answers for it. A file's proves the right to read it by itself (not if it was opened with
 * O_PATH or only for writing: refused), and a disk's the right to write it if it is open for that.
 * A directory's proves too little, least of all a right to write: what the caller may do there is
 * asked as above. */
int caller_check_fd(const Caller *caller, int fd, const Descriptor *judged, CallerOpen what,
                    bool writable, const char *field, CvmError *error);
/* Refuses one that is USELESS or SERVED: InvalidSpec with what it is and what to send instead. */
int caller_refuse_fd(const Descriptor *judged, CallerOpen what, const char *field, CvmError *error);
