/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a child gives up before it does its work. fork_bare() has made it, so it is a copy of one
 * thread: all of this is async-signal-safe (signal-safety(7)). Ids are changed by system calls of
 * their own, since libc's functions would notify the other threads, which the child does not have.
 */

#include <sys/types.h>

#include "base/macros.h"

/* Gives every signal its default action and unblocks all of them. */
void child_setup_signals(void);
/* Takes the supplementary groups, the group and the user, each as real, effective and saved id.
 * Returns 0 or -errno. */
int child_setup_ids(uid_t uid, gid_t gid, const gid_t *groups, size_t n_groups);
/* Gives up all capabilities but those of the mask `kept` (CAP_X is bit X, of the lower 32), as far
 * as the child has them; nothing is inheritable. Returns 0 or -errno. */
int child_setup_capabilities(uint32_t kept);
