/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Places at which a test may have the program killed, as by kill -9, between one lasting step and
 * the next. Only a build with -Dfail_points=true has them; in other builds they do nothing.
 *
 * FAIL_POINTS_ENV names a file of one native int64_t, which is shared with the test: each place
 * that is passed subtracts one, and the place that reaches 0 is the last. Its name is printed on
 * stderr.
 */

#define FAIL_POINTS_ENV "CVMD_FAIL_POINTS"

#ifdef CVMD_FAIL_POINTS
void fail_point(const char *name);
#else
static inline void fail_point(const char *name)
{
        (void)name;
}
#endif
