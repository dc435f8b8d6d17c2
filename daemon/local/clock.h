/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Times in microseconds. */

#include <stdint.h>
#include <time.h>

/* As the interface gives them: since the epoch, CLOCK_REALTIME. */
static inline int64_t clock_now_usec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

/* Since the host's start, its sleep included, and set by nobody: CLOCK_BOOTTIME. */
static inline int64_t clock_boot_usec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_BOOTTIME, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
