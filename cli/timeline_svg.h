/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A timeline as a drawing. */

#include <stdio.h>

#include "timeline_rows.h"

void timeline_svg(FILE *stream, const Timeline *timeline);
