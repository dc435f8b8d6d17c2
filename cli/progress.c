/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <stdio.h>
#include <string.h>

#include "base/text.h"
#include "output.h"

#define ERASE_LINE "\r\033[K" /* ECMA-48 EL */
#define STAGE_MAX 40

/* Whether a line stands there; this file's alone, so that fail_*() can end it wherever it began. */
static bool shown;

void progress_show(const char *subject, const char *stage)
{
        _cleanup_free_ char *safe = text_escape_control(stage);
        bool colour = output_colour(stderr);

        if (!safe || !output_redraws(stderr))
                return;
        fprintf(stderr, ERASE_LINE "%s: %s%.*s...%s", subject, colour ? "\033[1m" : "", STAGE_MAX,
                safe, colour ? "\033[0m" : "");
        fflush(stderr);
        shown = true;
}

void progress_end(void)
{
        if (!shown)
                return;
        fputs(ERASE_LINE, stderr);
        fflush(stderr);
        shown = false;
}
