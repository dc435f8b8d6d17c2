/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The time, by each of the clocks that cvmd uses. */

#include <stdint.h>
#include <time.h>

static inline int64_t clock_read_usec(clockid_t clock)
{
        struct timespec now;

        clock_gettime(clock, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Microseconds since the epoch (CLOCK_REALTIME), as the interface has times. Users can set this
 * clock. */
static inline int64_t clock_now_usec(void)
{
        return clock_read_usec(CLOCK_REALTIME);
}

/* Microseconds since the host's start, including the time that it slept (CLOCK_BOOTTIME). Nobody
 * can set this clock. */
static inline int64_t clock_boot_usec(void)
{
        return clock_read_usec(CLOCK_BOOTTIME);
}

/* Microseconds since some point in the past, without the time that the host slept
 * (CLOCK_MONOTONIC): for intervals and timeouts within a process. Nobody can set this clock. */
static inline int64_t clock_monotonic_usec(void)
{
        return clock_read_usec(CLOCK_MONOTONIC);
}

/* The same in milliseconds. */
static inline int64_t clock_monotonic_msec(void)
{
        return clock_monotonic_usec() / 1000;
}
