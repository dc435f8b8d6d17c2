/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console_times.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define ROOM_FIRST 16u

/* Drops every second point of the older half. */
static void console_times_thin(ConsoleTimes *times)
{
        size_t half = times->n / 2, kept = 0;

        for (size_t i = 0; i < half; i += 2)
                times->points[kept++] = times->points[i];
        memmove(times->points + kept, times->points + half,
                (times->n - half) * sizeof(*times->points));
        times->n = kept + times->n - half;
}

/* Whether there is room for one more. */
static bool console_times_grow(ConsoleTimes *times)
{
        size_t room = times->room ? 2 * times->room : ROOM_FIRST;
        ConsoleTime *points;

        if (times->n < times->room)
                return true;
        if (times->room >= CONSOLE_TIMES_MAX) {
                console_times_thin(times);
                return true;
        }
        points = reallocarray(times->points, room, sizeof(*points));
        if (!points)
                return false;
        times->points = points;
        times->room = room;
        return true;
}

void console_times_clear(ConsoleTimes *times)
{
        times->n = 0;
        times->begun = clock_now_usec();
}

void console_times_add(ConsoleTimes *times, size_t size)
{
        int64_t now = clock_now_usec();
        const ConsoleTime *last = times->n ? &times->points[times->n - 1] : NULL;
        /* the clock may have been set back */
        bool due = !last || now >= last->usec + CONSOLE_TIMES_APART_USEC || now < last->usec;

        if (due && console_times_grow(times))
                times->points[times->n++] = (ConsoleTime){times->written, now};
        times->written += size;
}

int console_times_copy(const ConsoleTimes *times, ConsoleTimes *ret)
{
        ConsoleTime *points = calloc(times->n + 1, sizeof(*points));

        if (!points)
                return -ENOMEM;
        *ret = *times;
        ret->points = points;
        ret->room = times->n;
        if (times->n)
                memcpy(points, times->points, times->n * sizeof(*points));
        return 0;
}

void console_times_done(ConsoleTimes *times)
{
        free(times->points);
        *times = (ConsoleTimes){};
}

uint64_t console_times_since(const ConsoleTimes *times, int64_t since)
{
        size_t i = times->n;

        if (since <= times->begun)
                return UINT64_MAX;
        while (i > 0 && times->points[i - 1].usec >= since)
                i--;
        return i == times->n ? 0 : times->written - times->points[i].offset;
}

json_object *console_times_show(const ConsoleTimes *times, size_t size)
{
        json_object *array = json_object_new_array();
        size_t i = times->n;

        /* the last point that is not after the first byte holds for that */
        while (i > 0 && times->written - times->points[i - 1].offset < size)
                i--;
        for (i -= i > 0; i < times->n; i++) {
                uint64_t left = times->written - times->points[i].offset;
                uint64_t position = left < size ? size - left : 0;

                if (position == size && size > 0)
                        break;
                json_object_array_add(
                        array,
                        json_build("position", json_object_new_int64((int64_t)position), "at",
                                   json_object_new_int64(times->points[i].usec), NULL));
        }
        return array;
}
