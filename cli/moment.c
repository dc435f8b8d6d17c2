/* SPDX-License-Identifier: Apache-2.0 */
#include "moment.h"

#include <inttypes.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/text.h"
#include "paragraph.h"

#define MOMENT_SIZE 64

/* A unit of time in which a duration is at least one. */
typedef struct MomentUnit {
        int64_t seconds;
        const char *letter, *one, *many;
} MomentUnit;

static const MomentUnit *moment_unit(int64_t seconds)
{
        static const MomentUnit units[] = {
                {86400, "d", "day", "days"},
                {3600, "h", "h", "h"},
                {60, "m", "min", "min"},
                {1, "s", "s", "s"},
        };
        size_t i = 0;

        while (i + 1 < ARRAY_SIZE(units) && seconds < units[i].seconds)
                i++;
        return &units[i];
}

char *moment_age(int64_t usec)
{
        int64_t seconds = (clock_now_usec() - usec) / 1000000;
        const MomentUnit *unit;

        if (seconds < 0)
                seconds = 0;
        unit = moment_unit(seconds);
        return text_format("%" PRId64 "%s", seconds / unit->seconds, unit->letter);
}

char *moment_relative(int64_t usec)
{
        int64_t seconds = (clock_now_usec() - usec) / 1000000;
        bool future = seconds < 0;
        const MomentUnit *unit = moment_unit(future ? -seconds : seconds);
        int64_t n = (future ? -seconds : seconds) / unit->seconds;
        const char *word = n == 1 ? unit->one : unit->many;

        return text_format(future ? "in" PARAGRAPH_NO_BREAK "%" PRId64 PARAGRAPH_NO_BREAK "%s"
                                  : "%" PRId64 PARAGRAPH_NO_BREAK "%s" PARAGRAPH_NO_BREAK "ago",
                           n, word);
}

char *moment_local(int64_t usec)
{
        time_t seconds = (time_t)(usec / 1000000);
        char when[MOMENT_SIZE];
        struct tm tm;

        if (usec <= 0 || !localtime_r(&seconds, &tm) ||
            strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S %z", &tm) == 0)
                return strdup("-");
        return strdup(when);
}

char *moment_full(int64_t usec)
{
        _cleanup_free_ char *relative = moment_relative(usec), *local = moment_local(usec);

        if (!relative || !local || strcmp(local, "-") == 0)
                return relative ? TAKE_PTR(local) : NULL;
        return text_format("%s, %s", local, paragraph_finish(relative));
}

bool moment_is_day(const struct tm *tm)
{
        struct tm day = {.tm_year = tm->tm_year, .tm_mon = tm->tm_mon, .tm_mday = tm->tm_mday};

        timegm(&day);
        return day.tm_mon == tm->tm_mon;
}
