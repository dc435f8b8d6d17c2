/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Points in time as people read them; they are microseconds since the epoch. */

#include <json-c/json.h>
#include <time.h>

#include "base/macros.h"

/* How long ago or until then in one unit, rounded down: "45s", "5m", "3h", "12d". A point in the
 * future is "0s" ago. Newly allocated. */
char *moment_age(int64_t usec);

/* The same in words: "45 s ago", "5 min ago", "3 h ago", "12 days ago" or "in 5 min". Words are
 * joined by no-break spaces (paragraph.h). Newly allocated. */
char *moment_relative(int64_t usec);

/* "2026-11-21 07:16:33 +0100" in local time, "-" for 0 and below. Newly allocated. */
char *moment_local(int64_t usec);

/* Whether the month has the day: strptime() accepts the 31st of each. */
bool moment_is_day(const struct tm *tm);

/* "2026-11-21 07:16:33 +0100, 5 min ago"; "-" for 0 and below. Newly allocated. */
char *moment_full(int64_t usec);
