/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A line on a terminal's stderr that shows the progress, and is erased at the end. Anywhere
 * but on a terminal nothing is shown.
 */

/* Replaces the line. Texts of a peer are escaped and cut. */
void progress_show(const char *subject, const char *stage);
/* Removes the line, if there is one. */
void progress_end(void);
