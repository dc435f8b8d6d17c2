/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A child process that does one thing with a file that may never answer, for a user.
 *
 * A process that waits for a FUSE server which has received the request cannot be killed: the wait
 * ends with the answer or with the connection. So a child that does not end when it is killed is
 * left behind: a thread reaps it when it finally ends. Until then it is counted to its uid's
 * account (base/account.h); an account that has ERRAND_LEFT_PER_UID children left behind gets no
 * further child. All users but root together have at most ERRAND_LEFT_MAX children, at work or left
 * behind; root has ERRAND_ROOT_MAX places. Each child has its place from the start, so that
 * errand_end() always has a place for a child that stays.
 *
 * The child has no descriptors but those given, and is made by the forker if there is one
 * (base/forker.h). Thread-safe.
 */

#include <sys/types.h>

#include "base/forker.h"

#define ERRAND_LEFT_PER_UID 8u
#define ERRAND_LEFT_MAX 128u
#define ERRAND_ROOT_MAX 64u

typedef struct Errand {
        size_t place;
        pid_t pid;
        int pidfd;  /* owned */
        int socket; /* owned: a stream of messages (SOCK_SEQPACKET) to the child */
} Errand;

/* What the child does, with what data, which is copied for it. */
typedef struct ErrandWork {
        ForkerFunction function;
        const void *data;
        size_t size;
} ErrandWork;

/* Makes the child, which runs the function with its end of the socket and copies of the `n`
 * descriptors (at most FORKER_FDS_MAX), and then exits. Returns 0, -EUSERS if too many children are
 * left behind or at work, or another -errno. */
int errand_begin(Errand *errand, uid_t uid, const ErrandWork *work, const int *fds, size_t n);
/* Waits for a message of exactly `size` bytes from the child, and receives the descriptor that may
 * come with it: *ret_fd is unchanged if none does; ret_fd may be NULL if none is expected. msec: -1
 * waits without limit. Returns 0, -ETIMEDOUT, -ECHILD (the child ended without a message) or
 * -errno. */
int errand_receive(const Errand *errand, int msec, void *data, size_t size, int *ret_fd);
/* Ends the child, if it has not ended by itself, and closes what is owned. Waits for the child no
 * longer than it takes to end what can be ended. */
void errand_end(Errand *errand);
/* The number of children of the uid's account that are left behind. */
unsigned errand_left(uid_t uid);
