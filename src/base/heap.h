/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The C library's heap (glibc: mallopt(3), malloc_trim(3)) in a process that lives long and now and
 * then needs a lot for a moment.
 *
 * By default each thread may get a heap of its own, of which malloc_trim() never gives back the
 * end, and the size from which a block gets its own mapping grows with the largest block that was
 * ever freed, up to 32 MiB: one large message, log or artifact would leave all its memory with the
 * daemon.
 */

/* One heap for all threads, and thresholds that stay as they are. Before the first thread. */
void heap_prepare(void);
/* Gives what is free back to the system. It may take some milliseconds: not on the loop. */
void heap_trim(void);
