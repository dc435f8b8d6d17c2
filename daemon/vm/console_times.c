/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console_times.h"

#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"

#define ROOM_FIRST 16u

/* Doubles the distance of the points until at most half of them are left. */
static void console_times_thin(ConsoleTimes *times)
{
        while (times->n > CONSOLE_TIMES_MAX / 2) {
                size_t kept = 1;

                times->apart *= 2;
                for (size_t i = 1; i < times->n; i++)
                        if (llabs(times->points[i].usec - times->points[kept - 1].usec) >=
                            times->apart)
                                times->points[kept++] = times->points[i];
                times->n = kept;
        }
}

/* Whether there is room for one more. */
static bool console_times_grow(ConsoleTimes *times)
{
        size_t room = times->room ? 2 * times->room : ROOM_FIRST;
        ConsoleTime *points;

        if (times->n < times->room)
                return true;
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
        times->apart = CONSOLE_TIMES_APART_USEC;
        times->begun = clock_now_usec();
        times->last = 0;
}

void console_times_add(ConsoleTimes *times, size_t size)
{
        console_times_add_at(times, size, clock_now_usec());
}

void console_times_add_at(ConsoleTimes *times, size_t size, int64_t now)
{
        const ConsoleTime *last = times->n ? &times->points[times->n - 1] : NULL;
        bool due = !last || llabs(now - last->usec) >= times->apart;

        if (due && times->n == CONSOLE_TIMES_MAX) {
                console_times_thin(times);
                last = &times->points[times->n - 1];
                due = llabs(now - last->usec) >= times->apart;
        }
        if (due && console_times_grow(times))
                times->points[times->n++] = (ConsoleTime){times->written, now};
        times->written += size;
        times->last = now;
}

void console_times_forget(ConsoleTimes *times, uint64_t offset)
{
        size_t n = 0;

        if (times->n == 0 || times->points[0].offset >= offset)
                return;
        /* the last of those before holds for what follows */
        while (n + 1 < times->n && times->points[n + 1].offset <= offset)
                n++;
        times->n -= n;
        memmove(times->points, times->points + n, times->n * sizeof(*times->points));
        times->points[0].offset = offset;
        times->begun = times->points[0].usec;
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
        if (since > times->last)
                return 0;
        while (i > 0 && times->points[i - 1].usec >= since)
                i--;
        /* some of what has the time before was written as much as that later */
        if (i > 0 && times->points[i - 1].usec + CONSOLE_TIMES_COARSE * times->apart > since)
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
