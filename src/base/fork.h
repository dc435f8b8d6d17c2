/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A child process that never has the descriptors of its parent.
 *
 * fork(2) copies the table of descriptors. When the child closes its copies, by close(2), exec or
 * exit, each file on a file system in user space (FUSE) asks that file system and waits for its
 * answer without limit: one descriptor that a client sent could block every child of the daemon. So
 * the child shares the table at first (CLONE_FILES) and then takes a copy of the lowest numbers
 * alone (close_range(2), CLOSE_RANGE_UNSHARE). The kernel copies numbers in units of 64:
 * fork_reserve() fills the first of these units once, before the first client connects, so that no
 * descriptor that arrives later is ever among them. The child receives the descriptors that it
 * needs over a socket (SCM_RIGHTS).
 *
 * Thread-safe. The child is a copy of one thread: only async-signal-safe calls are allowed in it
 * (signal-safety(7)).
 */

#include <sys/types.h>

#include "base/macros.h"

#define FORK_RESERVED 64 /* descriptors below this number belong to this process itself */
#define FORK_FDS_MAX 253 /* SOCKET_FDS_MAX */

/* Fills all free numbers below FORK_RESERVED. Call it once, when all threads are still to come.
 * Returns 0 or -errno; -EMFILE where this process may have fewer descriptors than that. */
int fork_reserve(void);

/* Returns the child's pid in the parent and 0 in the child, or -errno.
 *
 * The child has stdin, stdout, stderr and copies of the `n` (at most FORK_FDS_MAX) descriptors in
 * `fds`, all others closed; -1 stands for none. In the child, `fds` holds its own numbers, which
 * are above stderr and close on exec. All signals are blocked in it, the handlers are still the
 * parent's. `exit_signal` is what its end sends to the parent: SIGCHLD, or 0 for a child that only
 * waitid(2) with __WALL reports. *ret_pidfd (or NULL) is owned by the caller. */
pid_t fork_bare(int *fds, size_t n, int exit_signal, int *ret_pidfd);

/* In the child, once its ids are final, as a change of them undoes this: its parent's death kills
 * it. Returns 0 or -errno; -ESRCH: the parent has died already. */
int fork_end_with_parent(void);
