/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A timeline as text. */

#include <stdio.h>

#include "timeline_rows.h"

typedef struct TimelineLook {
        size_t width; /* columns; 0: no bars, as for a pipe */
        bool utf8;    /* else ASCII */
        bool colour;
} TimelineLook;

/* Draws a bar for each row, no line wider than that if it is at least TIMELINE_WIDTH_MIN; the title
 * may be. */
#define TIMELINE_WIDTH_MIN 40
void timeline_chart(FILE *stream, const Timeline *timeline, const TimelineLook *look);
