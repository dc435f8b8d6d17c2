/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Closing of descriptors that others sent. Closing one of a file system in user space (FUSE) asks
 * that file system and waits for its answer, in which nothing can interrupt it: it may never come.
 * A socket may wait for its peer in the same way (SO_LINGER, switched off here first).
 *
 * So descriptors are closed in threads. Each is counted to the uid that sent it until it is closed.
 * A uid has at most FOREIGN_CLOSERS_PER_UID threads at a time, and as many are always left to root:
 * one person may be many users (subuid(5)). What is more waits for its turn, and nothing is ever
 * left open for good: whoever receives descriptors asks foreign_is_full() and refuses those of a
 * uid of which too many wait. Thread-safe; no call here waits for a file.
 */

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define FOREIGN_CLOSERS_MAX 64
#define FOREIGN_CLOSERS_PER_UID 4
#define FOREIGN_WAITING_PER_UID 512 /* descriptors: with more of them a uid is full */
/* Descriptors from this number on are closed at once: a process with so many is not the daemon,
 * which limits itself to fewer. Linux allows as many by default (fs.nr_open, proc(5)). */
#define FOREIGN_FDS_MAX (1 << 20)

/* Takes the descriptors, -1 left out, and returns at once. */
void foreign_close(uid_t uid, const int *fds, size_t n);
/* Whether more than FOREIGN_WAITING_PER_UID descriptors of the uid are still to be closed. */
bool foreign_is_full(uid_t uid);
