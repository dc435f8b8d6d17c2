/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The C library's heap (glibc: mallopt(3), malloc_trim(3)) in a process that lives long and
 * sometimes needs much memory for a moment.
 *
 * By default each thread may get a heap of its own, of which malloc_trim() never gives back the
 * end, and the size from which a block gets its own mapping grows with the largest block that was
 * ever freed, up to 32 MiB: one large message, log or artifact would leave all its memory with the
 * daemon.
 */

/* Makes all threads share one heap, and keeps the thresholds fixed. Call it before the first thread
 * starts. */
void heap_prepare(void);
/* Gives free memory back to the system. This may take some milliseconds, so call it off the
 * loop. */
void heap_trim(void);
