/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * cvm-attest(7), a program beside the agent: clients that speak TLS are passed to it. It is started
 * with the first of them, and again with the next one if it has ended.
 */

#include <sys/types.h>

#include "base/macros.h"

#define ATTESTER_PROGRAM "/usr/lib/cvm-attest/cvm-attest"

typedef struct Attester {
        const char *program;
        int fd;    /* owned: the socket over which clients are passed; -1: not running */
        pid_t pid; /* 0: not running */
} Attester;

/* Whether this image has the program. */
bool attester_exists(const Attester *attester);

/* Passes a copy of a client's socket. Returns 0 or -errno; it waits for nothing. */
int attester_pass(Attester *attester, int client);
