/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * When the bytes of a console were written: a bounded list of points, in memory only. What an
 * earlier daemon wrote has no times.
 *
 * A point is made CONSOLE_TIMES_APART_USEC after the one before, at the earliest. If there are
 * CONSOLE_TIMES_MAX, every second one of the older half goes: the newest have the best resolution.
 */

#include <json-c/json.h>

#include "base/macros.h"

#define CONSOLE_TIMES_MAX 1024u
#define CONSOLE_TIMES_APART_USEC 100000

typedef struct ConsoleTime {
        uint64_t offset; /* of the first byte that was written then, counted by this daemon */
        int64_t usec;    /* since the epoch */
} ConsoleTime;

typedef struct ConsoleTimes {
        ConsoleTime *points; /* in the order of their offsets */
        size_t n, room;
        uint64_t written; /* bytes, by this daemon */
        int64_t begun;    /* when this daemon began to write */
} ConsoleTimes;

/* Nothing was written before. */
void console_times_clear(ConsoleTimes *times);
/* Bytes are written now. Without memory they have the time of those before. */
void console_times_add(ConsoleTimes *times, size_t size);
/* Returns 0 or -ENOMEM. */
int console_times_copy(const ConsoleTimes *times, ConsoleTimes *ret);
void console_times_done(ConsoleTimes *times);

/* How many of the last bytes were written since then; UINT64_MAX for all, those of earlier daemons
 * included: where this daemon began after `since`, they may be as new. */
uint64_t console_times_since(const ConsoleTimes *times, int64_t since);
/* Array of {position, at} for the last `size` bytes: from which byte on which time holds. Bytes
 * before the first position have no time. */
json_object *console_times_show(const ConsoleTimes *times, size_t size);
