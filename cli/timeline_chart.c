/* SPDX-License-Identifier: Apache-2.0 */
#include "timeline_chart.h"

#include <string.h>
#include <sys/param.h>

#include "output.h"

#define CHART_TIME 9  /* columns of a time */
#define CHART_MARK 11 /* columns that a mark of the axis has at least */

static const char *const part_colours[_TIMELINE_PART_MAX] = {
        [TIMELINE_DAEMON] = "\033[34m",
        [TIMELINE_HYPERVISOR] = OUTPUT_YELLOW,
        [TIMELINE_GUEST] = OUTPUT_GREEN,
};

/* The signs of a bar: eighths of a column, a whole one, a moment, what has not ended. */
typedef struct ChartSigns {
        const char *part[9]; /* 0 and 8: unused */
        const char *whole, *moment, *open;
} ChartSigns;

static const ChartSigns chart_utf8 = {
        {NULL, "▏", "▎", "▍", "▌", "▋", "▊", "▉", NULL}, "█", "◆", "…"};
static const ChartSigns chart_ascii = {
        {NULL, "|", "|", "|", "#", "#", "#", "#", NULL}, "#", "*", "..."};

typedef struct Chart {
        FILE *stream;
        const Timeline *timeline;
        const TimelineLook *look;
        const ChartSigns *signs;
        int names;   /* columns of the names */
        size_t bars; /* columns of the bars */
} Chart;

static void chart_spaces(const Chart *chart, size_t n)
{
        fprintf(chart->stream, "%*s", (int)n, "");
}

/* A column of the bars. */
static size_t chart_column(const Chart *chart, int64_t usec)
{
        size_t column =
                (size_t)((double)usec * (double)chart->bars / (double)chart->timeline->usec);

        return MIN(column, chart->bars - 1);
}

/* The text next to a bar. */
static const char *chart_remark(const Chart *chart, const TimelineRow *row)
{
        return row->failed ? " failed" : row->open ? chart->signs->open : "";
}

static size_t chart_remark_width(const Chart *chart)
{
        size_t width = 0;

        for (size_t i = 0; i < chart->timeline->n; i++) {
                const TimelineRow *row = &chart->timeline->rows[i];

                width = MAX(width, row->failed ? strlen(" failed") : row->open ? 3u : 0u);
        }
        return width;
}

static void chart_axis(const Chart *chart)
{
        int64_t total = chart->timeline->usec;
        int64_t step = timeline_step(total, (unsigned)(chart->bars / CHART_MARK));
        size_t at = 0;

        fprintf(chart->stream, "%-*s %*s  ", chart->names, "STEP", CHART_TIME, "TOOK");
        for (int64_t usec = 0; usec <= total; usec += step) {
                char mark[TIMELINE_TIME_MAX];
                size_t column = chart_column(chart, usec);

                timeline_mark(usec, total, mark);
                if (column < at || column + strlen(mark) > chart->bars)
                        break;
                chart_spaces(chart, column - at);
                fputs(mark, chart->stream);
                at = column + strlen(mark);
        }
        fputc('\n', chart->stream);
}

/* "2.41 s ◆", with the sign in its column. */
static void chart_moment(const Chart *chart, const TimelineRow *row)
{
        char time[TIMELINE_TIME_MAX];
        size_t column = chart_column(chart, row->begin);
        size_t before = strlen(timeline_time(row->begin, time)) + 1;

        if (column >= before) {
                chart_spaces(chart, column - before);
                fprintf(chart->stream, "%s %s", time, chart->signs->moment);
        } else {
                chart_spaces(chart, column);
                fprintf(chart->stream, "%s %s", chart->signs->moment, time);
        }
}

static void chart_bar(const Chart *chart, const TimelineRow *row)
{
        double eighth = (double)chart->timeline->usec / (double)chart->bars / 8;
        size_t first = chart_column(chart, row->begin);
        size_t end = (size_t)((double)row->end / eighth + 0.5);
        size_t eighths = end > first * 8 ? end - first * 8 : 1;

        if (eighths <= 8) /* what fits into a column is as wide as it is long */
                eighths = MAX(1u, (size_t)((double)(row->end - row->begin) / eighth + 0.5));

        chart_spaces(chart, first);
        for (; eighths >= 8; eighths -= 8)
                fputs(chart->signs->whole, chart->stream);
        if (eighths > 0)
                fputs(chart->signs->part[eighths], chart->stream);
}

static void chart_row(const Chart *chart, const TimelineRow *row)
{
        char time[TIMELINE_TIME_MAX] = "";
        bool colour = chart->look->colour;

        if (!row->moment)
                timeline_time(row->end - row->begin, time);
        fprintf(chart->stream, "%-*s %*s  ", chart->names, row->name, CHART_TIME, time);
        if (colour)
                fputs(row->failed ? OUTPUT_RED : part_colours[row->part], chart->stream);
        if (row->moment)
                chart_moment(chart, row);
        else
                chart_bar(chart, row);
        fputs(chart_remark(chart, row), chart->stream);
        fprintf(chart->stream, "%s\n", colour ? OUTPUT_PLAIN : "");
}

static void chart_plain_row(const Chart *chart, const TimelineRow *row)
{
        char begin[TIMELINE_TIME_MAX], took[TIMELINE_TIME_MAX] = "-";

        if (!row->moment)
                timeline_time(row->end - row->begin, took);
        fprintf(chart->stream, "%-*s %*s %*s%s\n", chart->names, row->name, CHART_TIME,
                timeline_time(row->begin, begin), CHART_TIME, took,
                row->failed ? " failed"
                : row->open ? " in progress"
                            : "");
}

void timeline_chart(FILE *stream, const Timeline *timeline, const TimelineLook *look)
{
        Chart chart = {
                .stream = stream,
                .timeline = timeline,
                .look = look,
                .signs = look->utf8 ? &chart_utf8 : &chart_ascii,
                .names = (int)strlen("STEP"),
        };
        bool plain = look->width < TIMELINE_WIDTH_MIN;

        for (size_t i = 0; i < timeline->n; i++)
                chart.names = MAX(chart.names, (int)strlen(timeline->rows[i].name));
        fprintf(stream, "%s%s%s\n%s\n", look->colour ? OUTPUT_BOLD : "", timeline->title,
                look->colour ? OUTPUT_PLAIN : "", timeline->subtitle);
        if (plain)
                fprintf(stream, "%-*s %*s %*s\n", chart.names, "STEP", CHART_TIME, "BEGAN",
                        CHART_TIME, "TOOK");
        else
                chart.bars = look->width - (size_t)chart.names - CHART_TIME - 3 -
                             chart_remark_width(&chart);
        if (!plain)
                chart_axis(&chart);
        for (size_t i = 0; i < timeline->n; i++)
                (plain ? chart_plain_row : chart_row)(&chart, &timeline->rows[i]);
}
