/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a timeline shows, from the reply of the method Timeline: a row for each step of the launch,
 * and rows for the guest until READY. Times are microseconds from the beginning of the launch; the
 * reply is not trusted, so that each row lies between 0 and the timeline's end.
 */

#include <json-c/json.h>

#include "base/macros.h"

typedef enum TimelinePart {
        TIMELINE_DAEMON,
        TIMELINE_HYPERVISOR,
        TIMELINE_GUEST,
        _TIMELINE_PART_MAX,
} TimelinePart;

typedef struct TimelineRow {
        char *name; /* owned; ASCII without control characters, at most TIMELINE_NAME_MAX */
        TimelinePart part;
        int64_t begin, end;
        bool failed; /* the launch, or this attempt, failed in it */
        bool open;   /* it has not ended */
        bool moment; /* begin is end, and that is what it shows: READY */
} TimelineRow;

#define TIMELINE_NAME_MAX 15
#define TIMELINE_ROWS_MAX 128 /* further ones are not shown */

typedef struct Timeline {
        char *title;    /* "web: ready after 2.41 s" */
        char *subtitle; /* what was launched, and when */
        TimelineRow *rows;
        size_t n;
        int64_t usec; /* of all, at least 1 */
} Timeline;

/* now: microseconds since the epoch, for what has not ended. Returns 0 or -ENOMEM. */
int timeline_read(json_object *reply, int64_t now, Timeline *ret);
void timeline_done(Timeline *timeline);

/* "0.4 ms", "412 ms", "2.41 s", "2m 3s", "1h 4m", "2d 7h": 9 bytes at most. */
#define TIMELINE_TIME_MAX 32
const char *timeline_time(int64_t usec, char buffer[static TIMELINE_TIME_MAX]);

/* The distance between the marks of an axis that is `usec` long: 1, 2 or 5 times a power of ten, so
 * that there are at most `marks` after the one at 0. */
int64_t timeline_step(int64_t usec, unsigned marks);
/* What stands at a mark: "0.5 s". */
const char *timeline_mark(int64_t usec, int64_t total, char buffer[static TIMELINE_TIME_MAX]);
