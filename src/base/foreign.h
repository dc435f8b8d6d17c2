/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Descriptors that others sent. Closing one of a file system in user space (FUSE) asks that file
 * system and waits for its answer, in which nothing can interrupt it: it may never come.
 */

#include <stddef.h>

/* Closes them, -1 left out, in a thread of its own, and returns at once. Where FOREIGN_CLOSERS_MAX
 * threads have not come back, or there is no memory, they stay open. */
void foreign_close(const int *fds, size_t n);

#define FOREIGN_CLOSERS_MAX 64
