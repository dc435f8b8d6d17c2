/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How often something took how long. All histograms have the same bounds, from a call that is
 * answered at once (0.1 ms) to a guest that boots slowly (2 min).
 */

#include <stddef.h>
#include <stdint.h>

#define HISTOGRAM_BOUNDS 14u

/* Upper bounds, included, in nanoseconds, rising. */
static inline uint64_t histogram_bound(size_t i)
{
        static const uint64_t usec[HISTOGRAM_BOUNDS] = {
                100,    250,    1000,    5000,    10000,    50000,    100000,
                250000, 500000, 1000000, 2500000, 10000000, 30000000, 120000000,
        };

        return usec[i] * 1000;
}

typedef struct Histogram {
        uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* between two bounds; the last is above all */
        uint64_t sum;                          /* nanoseconds; 584 years */
} Histogram;

static inline void histogram_add(Histogram *histogram, uint64_t nsec)
{
        size_t i = 0;

        while (i < HISTOGRAM_BOUNDS && nsec > histogram_bound(i))
                i++;
        histogram->counts[i]++;
        histogram->sum += nsec;
}
