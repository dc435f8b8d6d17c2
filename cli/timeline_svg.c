/* SPDX-License-Identifier: Apache-2.0 */
#include "timeline_svg.h"

#include <sys/param.h>

#include "svg.h"

#define SVG_WIDTH 1000
#define SVG_LEFT 130  /* of it have the names */
#define SVG_RIGHT 150 /* the last bar's duration */
#define SVG_TOP 84
#define SVG_ROW 22
#define SVG_BOTTOM 48
#define SVG_MARKS 8

static const char style[] =
        "text{font:13px sans-serif;fill:#222}.title{font-size:18px;font-weight:bold}"
        ".small{font-size:11px;fill:#666}.took{fill:#444}.fail{fill:#b3261e;font-weight:bold}"
        ".page{fill:#fff}.grid{stroke:#ddd}.daemon{fill:#4472b0}.hypervisor{fill:#d99a2b}"
        ".guest{fill:#4b9a56}.failed{fill:#b3261e}.moment{stroke:#2c6b36;stroke-width:2}";

static const struct {
        const char *class, *name;
} svg_parts[_TIMELINE_PART_MAX] = {
        [TIMELINE_DAEMON] = {"daemon", "cvmd"},
        [TIMELINE_HYPERVISOR] = {"hypervisor", "QEMU and companions"},
        [TIMELINE_GUEST] = {"guest", "guest"},
};

static double svg_x(const Timeline *timeline, int64_t usec)
{
        return SVG_LEFT +
               (double)usec / (double)timeline->usec * (SVG_WIDTH - SVG_LEFT - SVG_RIGHT);
}

static void timeline_svg_axis(FILE *stream, const Timeline *timeline, double bottom)
{
        int64_t step = timeline_step(timeline->usec, SVG_MARKS);

        for (int64_t usec = 0; usec <= timeline->usec; usec += step) {
                char mark[TIMELINE_TIME_MAX];
                double x = svg_x(timeline, usec);

                svg_line(stream, "grid", x, SVG_TOP - 8, x, bottom);
                svg_text(stream, "small", SVG_MIDDLE, x, SVG_TOP - 14,
                         timeline_mark(usec, timeline->usec, mark));
        }
}

static void timeline_svg_row(FILE *stream, const Timeline *timeline, const TimelineRow *row,
                             double y)
{
        double begin = svg_x(timeline, row->begin), end = svg_x(timeline, row->end);
        char time[TIMELINE_TIME_MAX], text[TIMELINE_TIME_MAX + 16];

        timeline_time(row->moment ? row->begin : row->end - row->begin, time);
        snprintf(text, sizeof(text), "%s%s", time,
                 row->failed ? ", failed"
                 : row->open ? ", in progress"
                             : "");
        svg_text(stream, "name", SVG_END, SVG_LEFT - 10, y + 15, row->name);
        if (row->moment)
                svg_line(stream, "moment", begin, y + 2, begin, y + SVG_ROW - 2);
        else
                svg_rect(stream, row->failed ? "failed" : svg_parts[row->part].class, begin, y + 3,
                         MAX(end - begin, 1.5), SVG_ROW - 6);
        svg_text(stream, row->failed ? "fail" : "took", SVG_START, end + 7, y + 15, text);
}

static void timeline_svg_legend(FILE *stream, double y)
{
        double x = SVG_LEFT;

        for (size_t i = 0; i < _TIMELINE_PART_MAX; i++, x += 170) {
                svg_rect(stream, svg_parts[i].class, x, y - 10, 12, 12);
                svg_text(stream, "small", SVG_START, x + 18, y, svg_parts[i].name);
        }
}

void timeline_svg(FILE *stream, const Timeline *timeline)
{
        int bottom = SVG_TOP + SVG_ROW * (int)timeline->n;
        int height = bottom + SVG_BOTTOM;

        svg_begin(stream, SVG_WIDTH, height, timeline->title, style);
        svg_rect(stream, "page", 0, 0, SVG_WIDTH, height);
        svg_text(stream, "title", SVG_START, 20, 28, timeline->title);
        svg_text(stream, "small", SVG_START, 20, 46, timeline->subtitle);
        timeline_svg_axis(stream, timeline, bottom + 4);
        for (size_t i = 0; i < timeline->n; i++)
                timeline_svg_row(stream, timeline, &timeline->rows[i],
                                 SVG_TOP + SVG_ROW * (double)i);
        timeline_svg_legend(stream, bottom + 30);
        svg_end(stream);
}
