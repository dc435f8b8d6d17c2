/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Records that this daemon does not use, next to those that it does: ID.json.bad is not a valid
 * record, and ID.json.newer was written by a newer daemon.
 *
 * A bad record is never acted on. It is left by an administrator's mistake, by a disk that lost it,
 * or by a crash of the host just after an admission: then no older version is kept, and no process
 * was started, as none runs before its record is on the disk. Bad records are kept for inspection:
 * at most RECORDS_BAD_MAX, each for RECORDS_BAD_DAYS from the start that found it, and the newest
 * RECORDS_BAD_MIN for longer: a clock that is wrong at boot must not remove all. Each start logs
 * those that are there.
 */

#include <stdbool.h>
#include <time.h>

#define RECORD_BAD ".bad"
#define RECORD_NEWER ".newer"
#define RECORDS_BAD_MIN 4u
#define RECORDS_BAD_MAX 16u
#define RECORDS_BAD_DAYS 30

/* Renames `file` (ID.json), and logs the reason. */
void record_set_aside(int records_fd, const char *file, const char *suffix, const char *reason);
/* Also where that cannot be found out. */
bool record_is_set_aside(int records_fd, const char *id, const char *suffix);
/* Removes bad ones that are too old at the time `now` or too many, the oldest first, and logs both
 * them and those that stay. A file's age begins with its last rename (ctime): older daemons did not
 * set its mtime. */
void record_trim_bad(int records_fd, time_t now);
