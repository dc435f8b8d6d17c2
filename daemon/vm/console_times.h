/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When the bytes of a console were written: a bounded list of points, in memory only. What an
 * earlier daemon wrote has no times.
 *
 * Points are `apart` from each other, CONSOLE_TIMES_APART_USEC at first. If there are
 * CONSOLE_TIMES_MAX, `apart` doubles until half of them or fewer remain: so it is at most 1/256 of
 * the time from the first point to the last. What was written has the time of the point before it,
 * which is less than CONSOLE_TIMES_COARSE * apart too early.
 */

#include <json-c/json.h>

#include "base/macros.h"

#define CONSOLE_TIMES_MAX 1024u
#define CONSOLE_TIMES_APART_USEC 100000
#define CONSOLE_TIMES_COARSE 2

typedef struct ConsoleTime {
        uint64_t offset; /* of the first byte that was written then, counted by this daemon */
        int64_t usec;    /* since the epoch */
} ConsoleTime;

typedef struct ConsoleTimes {
        ConsoleTime *points; /* in the order of their offsets */
        size_t n, room;
        uint64_t written; /* bytes, by this daemon */
        int64_t apart;    /* microseconds */
        int64_t begun;    /* from when on the times are known, since the epoch */
        int64_t last;     /* when the last byte was written; 0: none was */
} ConsoleTimes;

/* Nothing was written before. */
void console_times_clear(ConsoleTimes *times);
/* Bytes are written now. Without memory they have the time of those before. */
void console_times_add(ConsoleTimes *times, size_t size);
/* As if it were `now`. */
void console_times_add_at(ConsoleTimes *times, size_t size, int64_t now);
/* Bytes that were written before this offset are lost: those before them have no time any more,
 * because their distance from the end is unknown. */
void console_times_forget(ConsoleTimes *times, uint64_t offset);
/* Returns 0 or -ENOMEM. */
int console_times_copy(const ConsoleTimes *times, ConsoleTimes *ret);
void console_times_done(ConsoleTimes *times);

/* How many of the last bytes were written since then, rounded up to a point; UINT64_MAX for all,
 * those without a time included, which may be as new: the times are known from a later time on. */
uint64_t console_times_since(const ConsoleTimes *times, int64_t since);
/* Array of {position, at} for the last `size` bytes: from which byte on which time holds. Bytes
 * before the first position have no time. */
json_object *console_times_show(const ConsoleTimes *times, size_t size);
