/* SPDX-License-Identifier: Apache-2.0 */
#include "timeline_rows.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>

#include "base/json.h"
#include "base/text.h"
#include "output.h"

#define TIMELINE_USEC_MAX (INT64_C(1000000) * 86400 * 365) /* longer ones are cut */

void timeline_done(Timeline *timeline)
{
        for (size_t i = 0; i < timeline->n; i++)
                free(timeline->rows[i].name);
        free(timeline->rows);
        free(timeline->title);
        free(timeline->subtitle);
        *timeline = (Timeline){};
}

const char *timeline_time(int64_t usec, char buffer[static TIMELINE_TIME_MAX])
{
        int64_t seconds = (usec + 500000) / 1000000;

        if (usec < 10000)
                snprintf(buffer, TIMELINE_TIME_MAX, "%.1f ms", (double)usec / 1e3);
        else if (usec < 999500)
                snprintf(buffer, TIMELINE_TIME_MAX, "%.0f ms", (double)usec / 1e3);
        else if (usec < 59995000)
                snprintf(buffer, TIMELINE_TIME_MAX, "%.2f s", (double)usec / 1e6);
        else if (seconds < 3600)
                snprintf(buffer, TIMELINE_TIME_MAX, "%" PRId64 "m %" PRId64 "s", seconds / 60,
                         seconds % 60);
        else if (seconds < 86400)
                snprintf(buffer, TIMELINE_TIME_MAX, "%" PRId64 "h %" PRId64 "m", seconds / 3600,
                         seconds / 60 % 60);
        else
                snprintf(buffer, TIMELINE_TIME_MAX, "%" PRId64 "d %" PRId64 "h", seconds / 86400,
                         seconds / 3600 % 24);
        return buffer;
}

int64_t timeline_step(int64_t usec, unsigned marks)
{
        for (int64_t power = 1;; power *= 10)
                for (int64_t factor = 1; factor <= 5; factor = factor * 2 + factor / 2)
                        if (usec / (power * factor) <= marks)
                                return power * factor;
}

const char *timeline_mark(int64_t usec, int64_t total, char buffer[static TIMELINE_TIME_MAX])
{
        if (usec == 0)
                snprintf(buffer, TIMELINE_TIME_MAX, "0");
        else if (total < 1000000)
                snprintf(buffer, TIMELINE_TIME_MAX, "%g ms", (double)usec / 1e3);
        else
                snprintf(buffer, TIMELINE_TIME_MAX, "%g s", (double)usec / 1e6);
        return buffer;
}

static TimelinePart timeline_part(const char *name)
{
        static const char *const hypervisors[] = {"companions", "hypervisor", "scope", "created",
                                                  "resumed"};

        for (size_t i = 0; i < ARRAY_SIZE(hypervisors); i++)
                if (strcmp(name, hypervisors[i]) == 0)
                        return TIMELINE_HYPERVISOR;
        return TIMELINE_DAEMON;
}

static int64_t timeline_clamp(int64_t usec)
{
        return MAX(0, MIN(usec, TIMELINE_USEC_MAX));
}

/* From the origin to a later point, clamped. */
static int64_t timeline_since(int64_t origin, int64_t at)
{
        int64_t usec;

        if (at <= origin)
                return 0;
        return __builtin_sub_overflow(at, origin, &usec) ? TIMELINE_USEC_MAX : timeline_clamp(usec);
}

/* Takes the row's name. */
static int timeline_add(Timeline *timeline, const TimelineRow *row)
{
        TimelineRow *rows = NULL;

        if (row->name && timeline->n < TIMELINE_ROWS_MAX)
                rows = reallocarray(timeline->rows, timeline->n + 1, sizeof(*rows));
        if (!rows) {
                free(row->name);
                return row->name && timeline->n >= TIMELINE_ROWS_MAX ? 0 : -ENOMEM;
        }
        timeline->rows = rows;
        rows[timeline->n] = *row;
        rows[timeline->n].begin = timeline_clamp(row->begin);
        rows[timeline->n].end = MAX(rows[timeline->n].begin, timeline_clamp(row->end));
        timeline->usec = MAX(timeline->usec, rows[timeline->n].end);
        timeline->n++;
        return 0;
}

static char *timeline_name(json_object *stage)
{
        char *name = output_member(stage, "name");

        if (!name)
                return NULL;
        name[strnlen(name, TIMELINE_NAME_MAX)] = 0;
        for (char *c = name; *c; c++) /* a byte is a column */
                if (*c < ' ' || *c > '~')
                        *c = '?';
        return name;
}

/* What the rows are made of. */
typedef struct TimelineReply {
        json_object *cvm, *stages;
        int64_t origin;         /* all times below are since the epoch; 0: not so far */
        int64_t started, ready; /* of this launch, not of one before */
        int64_t uptime;         /* 0: the guest did not say */
        int64_t until;          /* of what has not ended: now, or the CVM's end */
        bool ended;
} TimelineReply;

static TimelineReply timeline_parse(json_object *reply, int64_t now)
{
        json_object *cvm = json_member(reply, "cvm"), *stages = json_member(reply, "stages");
        bool has_stages = json_object_is_type(stages, json_type_array) &&
                          json_object_array_length(stages) > 0;
        TimelineReply parsed = {
                .cvm = cvm,
                .stages = has_stages ? stages : NULL,
                .origin = has_stages
                                  ? json_member_int(json_object_array_get_idx(stages, 0), "at", now)
                                  : json_member_int(cvm, "createdAt", now),
                .started = json_member_int(cvm, "startedAt", 0),
                .ready = json_member_int(cvm, "readyAt", 0),
                .uptime = json_member_int(reply, "guestUptimeUsec", 0),
                .ended = json_member(cvm, "ending"),
        };

        if (parsed.started < parsed.origin)
                parsed.started = 0;
        if (parsed.ready < parsed.started || !parsed.started)
                parsed.ready = 0;
        parsed.until = parsed.ended ? json_member_int(json_member(cvm, "ending"), "at", now) : now;
        return parsed;
}

static int timeline_add_stages(Timeline *timeline, const TimelineReply *reply)
{
        size_t n = reply->stages ? json_object_array_length(reply->stages) : 0;
        int r = 0;

        if (n == 0 && reply->started) /* an older cvmd launched it */
                r = timeline_add(timeline, &(TimelineRow){.name = strdup("launch"),
                                                          .end = timeline_since(reply->origin,
                                                                                reply->started)});
        for (size_t i = 0; r == 0 && i < n; i++) {
                json_object *stage = json_object_array_get_idx(reply->stages, i);
                int64_t begin =
                        timeline_since(reply->origin, json_member_int(stage, "at", reply->origin));
                int64_t duration = json_member_int(stage, "durationUsec", -1);
                bool open = duration < 0;
                TimelineRow row = {
                        .name = timeline_name(stage),
                        .begin = begin,
                        .end = open ? timeline_since(reply->origin, reply->until)
                                    : begin + timeline_clamp(duration),
                        .failed =
                                json_member_bool(stage, "failed", false) || (open && reply->ended),
                };

                row.open = open && !row.failed;
                row.part = row.name ? timeline_part(row.name) : TIMELINE_DAEMON;
                r = timeline_add(timeline, &row);
        }
        return r;
}

static int timeline_add_guest_row(Timeline *timeline, const char *name, int64_t begin, int64_t end)
{
        return timeline_add(timeline, &(TimelineRow){.name = strdup(name),
                                                     .part = TIMELINE_GUEST,
                                                     .begin = begin,
                                                     .end = end});
}

/* Its kernel's clock began as it said; what ran before is firmware. */
static int timeline_add_guest(Timeline *timeline, const TimelineReply *reply)
{
        int64_t started = timeline_since(reply->origin, reply->started);
        int64_t ready = timeline_since(reply->origin, reply->ready);
        int64_t kernel = MAX(started, ready - timeline_clamp(reply->uptime));
        int r = 0;

        if (!reply->started)
                return 0;
        if (!reply->ready)
                return timeline_add(
                        timeline, &(TimelineRow){.name = strdup("guest"),
                                                 .part = TIMELINE_GUEST,
                                                 .begin = started,
                                                 .end = timeline_since(reply->origin, reply->until),
                                                 .failed = reply->ended,
                                                 .open = !reply->ended});
        if (reply->uptime <= 0)
                r = timeline_add_guest_row(timeline, "guest", started, ready);
        else if (kernel > started)
                r = timeline_add_guest_row(timeline, "firmware", started, kernel);
        if (r == 0 && reply->uptime > 0)
                r = timeline_add_guest_row(timeline, "kernel, init", kernel, ready);
        return r
                       ?: timeline_add(timeline, &(TimelineRow){.name = strdup("READY"),
                                                                .part = TIMELINE_GUEST,
                                                                .begin = ready,
                                                                .end = ready,
                                                                .moment = true});
}

/* The row in which the launch stopped, or NULL. */
static const TimelineRow *timeline_failure(const Timeline *timeline)
{
        const TimelineRow *last = timeline->n ? &timeline->rows[timeline->n - 1] : NULL;

        return last && last->failed ? last : NULL;
}

static char *timeline_title(const Timeline *timeline, const TimelineReply *reply)
{
        _cleanup_free_ char *name = output_member(reply->cvm, "name");
        _cleanup_free_ char *state = output_member(reply->cvm, "state");
        _cleanup_free_ char *reason = output_member(json_member(reply->cvm, "ending"), "reason");
        const TimelineRow *failure = timeline_failure(timeline);
        char time[TIMELINE_TIME_MAX];

        if (!name || !state || !reason)
                return NULL;
        timeline_time(timeline->usec, time);
        if (reply->ready)
                return text_format("%s: ready after %s", name, time);
        if (failure && reply->started)
                return text_format("%s: not ready when it ended after %s: %s", name, time, reason);
        if (failure)
                return text_format("%s: the launch failed at '%s' after %s", name, failure->name,
                                   time);
        return text_format("%s: %s, not ready after %s", name, state, time);
}

static char *timeline_subtitle(const TimelineReply *reply)
{
        _cleanup_free_ char *platform = output_member(reply->cvm, "platform");
        _cleanup_free_ char *memory = output_size(reply->cvm, "memory");
        int64_t cpus = json_member_int(reply->cvm, "cpus", 0);
        char when[OUTPUT_TIME_MAX];

        if (!platform || !memory)
                return NULL;
        return text_format("%s, %" PRId64 " CPU%s, %s, launched %s", platform, cpus,
                           cpus == 1 ? "" : "s", memory, output_time(reply->origin, when));
}

int timeline_read(json_object *reply, int64_t now, Timeline *ret)
{
        const TimelineReply parsed = timeline_parse(reply, now);
        Timeline timeline = {.usec = 1};
        int r = timeline_add_stages(&timeline, &parsed);

        if (r == 0)
                r = timeline_add_guest(&timeline, &parsed);
        if (r == 0) {
                timeline.title = timeline_title(&timeline, &parsed);
                timeline.subtitle = timeline_subtitle(&parsed);
                r = timeline.title && timeline.subtitle ? 0 : -ENOMEM;
        }
        if (r < 0)
                timeline_done(&timeline);
        else
                *ret = timeline;
        return r;
}
