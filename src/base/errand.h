/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A child process that does one thing with a file that may never answer, for a user.
 *
 * Whoever waits for a server of FUSE, once that has taken the question, cannot be killed: the wait
 * ends with the answer or with the connection. So a child that does not end when it is killed is
 * left behind: a thread reaps it when it ends at last. It is counted to its uid's account
 * (base/account.h) until then, and an account of which ERRAND_LEFT_PER_UID are left behind gets no
 * further child. All but root together have at most ERRAND_LEFT_MAX children, at work or left
 * behind; root has places of its own. Each child has its place from the start, so that errand_end()
 * always has one for a child that stays.
 *
 * The child has no descriptors but those given (base/fork.h). Thread-safe.
 */

#include <sys/types.h>

#include "base/macros.h"

#define ERRAND_LEFT_PER_UID 8u
#define ERRAND_LEFT_MAX 128u
#define ERRAND_ROOT_MAX 64u

#define ERRAND_CHILD 1 /* what errand_begin() returns in the child */

typedef struct Errand {
        size_t place;
        pid_t pid;
        int pidfd;  /* owned; -1 in the child */
        int socket; /* owned: a stream of messages (SOCK_SEQPACKET) to the other side */
} Errand;

/* Makes the child: see fork_bare() for `fds`, which are the child's own numbers there, and for what
 * a child may do. Returns 0 in the parent, ERRAND_CHILD in the child, -EUSERS where too many are
 * left behind or at work, or -errno. */
int errand_begin(Errand *errand, uid_t uid, int *fds, size_t n);
/* Waits for a message of exactly `size` bytes from the child, and takes a descriptor that comes
 * with it (ret_fd; else it stays as it is; NULL: none is expected). msec: -1 waits without an end.
 * Returns 0, -ETIMEDOUT, -ECHILD (the child ended without one) or -errno. */
int errand_receive(const Errand *errand, int msec, void *data, size_t size, int *ret_fd);
/* Ends the child, if it has not ended by itself, and closes what is owned. Waits for the child no
 * longer than it takes to end what can be ended. */
void errand_end(Errand *errand);
/* How many of the uid's account are left behind. */
unsigned errand_left(uid_t uid);
