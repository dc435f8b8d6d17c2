/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Time as the interface gives it: microseconds since the epoch, CLOCK_REALTIME. */

#include <stdint.h>
#include <time.h>

static inline int64_t clock_now_usec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_REALTIME, &now);
        return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}
