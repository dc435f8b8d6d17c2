/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A small process that makes children for a large one.
 *
 * fork(2) copies the page tables of the process that calls it. Meanwhile no other thread of that
 * process gets memory, and afterwards each page that one writes to is copied. Where users can cause
 * many children, a daemon with much memory would spend its time on that. So the daemon starts the
 * forker while it is small itself; each child is a copy of the forker.
 *
 * The child is a child of the daemon (CLONE_PARENT), which waits for it like for any other. It has
 * the descriptors that were sent with the request, and stdin, stdout and stderr. The forker never
 * receives these descriptors: the child takes the request out of the socket itself.
 *
 * The forker ends with the daemon. If it is killed, children are made by fork_bare() (fork.h).
 */

#include <sys/types.h>

#include "base/macros.h"

#define FORKER_DATA_MAX 65536u /* bytes of a request's data */
#define FORKER_FDS_MAX 16u

/* What a child does. It runs in a copy of one thread with all signals blocked: only
 * async-signal-safe calls are allowed (signal-safety(7)). The descriptors are the child's own; -1
 * stands for none, as in the request. */
typedef void (*ForkerFunction)(int socket, const int *fds, size_t n, const void *data);

/* Starts it. Call this once, after fork_reserve() and before the first thread starts. Returns 0 or
 * -errno. */
int forker_start(void);
/* Ends it and reaps it; children that it has made stay. Call it once no thread makes children any
 * more. */
void forker_stop(void);

/* Has a child run the function, then exit. *ret_socket is the other end of the child's `socket`
 * (SOCK_SEQPACKET); it and *ret_pidfd are owned by the caller, who reaps the child with __WALL
 * (waitid(2)): its end raises no signal. Returns the child's pid; -ENOSYS if there is no forker,
 * if it has ended or cannot make a child, if a child ended before its first words, which are before
 * the function, or if the request is too large; or another -errno. Thread-safe. */
pid_t forker_make(ForkerFunction function, const void *data, size_t size, const int *fds, size_t n,
                  int *ret_socket, int *ret_pidfd);
