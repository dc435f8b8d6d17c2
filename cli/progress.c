/* SPDX-License-Identifier: Apache-2.0 */
#include "progress.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "output.h"

#define TEXT_MAX 40
#define ERASE_LINE "\r\033[K" /* ECMA-48 EL */

/* Whether a line stands there; this file's alone, so that fail_*() can end it wherever it began. */
static bool shown;

void progress_begin(Progress *progress)
{
        progress->begun_msec = progress->stage_msec = clock_monotonic_msec();
        progress->awaited = "waiting for the daemon";
}

/* What follows a stage of Launch; NULL: nothing that is known. */
static const char *progress_after(const char *stage, bool waits_ready)
{
        static const char *const after[][2] = {
                {"admitted", "reading its files"},
                {"artifacts", "preparing its start"},
                {"rendered", "starting QEMU"},
                {"starting", "waiting for QEMU"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(after); i++)
                if (strcmp(after[i][0], stage) == 0)
                        return after[i][1];
        if (strcmp(stage, "running") == 0 && waits_ready)
                return "waiting for READY";
        return NULL;
}

void progress_step(Progress *progress, json_object *reply)
{
        const char *stage = json_member_string(reply, "stage");
        const char *awaited = stage ? progress_after(stage, progress->waits_ready) : NULL;

        if (!awaited)
                return;
        progress->awaited = awaited;
        progress->stage_msec = clock_monotonic_msec();
        progress->stage_limit_sec = json_member_int(reply, "limitSec", 0);
}

void progress_draw(const Progress *progress)
{
        int64_t since = progress->limit_sec ? progress->begun_msec : progress->stage_msec;
        int64_t seconds = (clock_monotonic_msec() - since) / 1000;
        int64_t limit =
                progress->limit_sec ? (int64_t)progress->limit_sec : progress->stage_limit_sec;
        _cleanup_free_ char *safe = text_escape_control(progress->subject);
        bool colour = output_colour(stderr);

        if (!safe || progress->quiet || !output_redraws(stderr))
                return;
        fprintf(stderr, ERASE_LINE "%s: %s%s%s, %" PRId64 " s", safe, colour ? "\033[1m" : "",
                progress->awaited, colour ? "\033[0m" : "", seconds);
        if (limit > 0)
                fprintf(stderr, " of %" PRId64 " s", limit);
        fflush(stderr);
        shown = true;
}

void progress_show(const char *subject, const char *text)
{
        _cleanup_free_ char *name = text_escape_control(subject), *safe = text_escape_control(text);
        bool colour = output_colour(stderr);

        if (!name || !safe || !output_redraws(stderr))
                return;
        fprintf(stderr, ERASE_LINE "%s: %s%.*s...%s", name, colour ? "\033[1m" : "", TEXT_MAX, safe,
                colour ? "\033[0m" : "");
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
