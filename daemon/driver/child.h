/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A child process that waits, before it becomes the program, until it is on record.
 *
 * child_spawn() forks without the daemon's descriptors (base/fork.h); the child arranges its own,
 * credentials and limits and then reads one byte from a pipe. child_go() gives it; if the daemon
 * dies or closes the pipe first, the child sees the end of file and exits: no program without a
 * record.
 *
 * The program gets: exactly the given descriptors at their numbers, stdin from /dev/null, stdout
 * and stderr to `output_fd`, no new privileges, no capabilities (also none as root), no core dumps,
 * a session of its own, default signals (but SIGRTMIN+4, which is ignored), a fixed environment,
 * and the caller's ids and the filter of file_filter.h where asked.
 */

#include <sys/types.h>

#include "base/macros.h"
#include "local/file_filter.h"

#define CHILD_TAIL_BYTES 4096u /* kept of what a child printed, for the reason of its end */

typedef struct ChildFd {
        int fd;     /* in the daemon; borrowed */
        int number; /* in the program; from 3, without gaps between the lowest and the highest */
} ChildFd;

typedef struct ChildSpawn {
        char *const *argv; /* argv[0] is an absolute path */
        const ChildFd *fds;
        size_t n_fds;
        int output_fd; /* borrowed */
        bool switch_ids;
        uid_t uid;
        gid_t gid;
        const gid_t *groups;
        size_t n_groups;
        const FileFilter *filter; /* borrowed; NULL: none */
} ChildSpawn;

typedef struct Child {
        pid_t pid;
        int pidfd; /* owned */
        int go_fd; /* owned; -1 once gone */
} Child;

/* Returns 0 or -errno; -EMFILE: more descriptors than a message of a socket carries. */
int child_spawn(const ChildSpawn *spawn, Child *ret);
/* Returns 0, or -EPIPE if the child is gone. */
int child_go(Child *child);
