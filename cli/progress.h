/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A line on a terminal's stderr that shows progress; of a launch: what is awaited, for how long,
 * and how long it may take: "web: waiting for READY, 7 s of 120 s". It is erased at the end.
 * Anywhere but on a terminal nothing is shown.
 */

#include <json-c/json.h>

#include "base/macros.h"

#define PROGRESS_TICK_MSEC 1000 /* how often the line is drawn again */

typedef struct Progress {
        const char *subject; /* of what; borrowed */
        bool quiet;          /* nothing is shown */
        uint64_t limit_sec;  /* of the whole launch; 0: none */
        bool waits_ready;    /* the launch is complete with READY */
        const char *awaited; /* static text; NULL: nothing yet */
        int64_t begun_msec, stage_msec;
        int64_t stage_limit_sec; /* of what is awaited; 0: none */
} Progress;

/* Begins to count; the other members are set. */
void progress_begin(Progress *progress);
/* Takes note of a reply to Launch that is not the last; borrowed. */
void progress_step(Progress *progress, json_object *reply);
/* Shows the line, or the time in it again. */
void progress_draw(const Progress *progress);
/* Shows a line of another kind, "SUBJECT: TEXT...". Text of others is escaped and cut. */
void progress_show(const char *subject, const char *text);
/* Removes the line, if there is one. */
void progress_end(void);
