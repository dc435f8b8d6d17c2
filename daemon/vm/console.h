/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a CVM wrote to its console: rotated files on disk (console_files.h) and a ring of the last
 * bytes in memory.
 *
 * The files never have more than bytes × files, whatever the guest writes, and a worker writes
 * them: a disk that is full or does not answer costs the files their contents, neither the ring nor
 * the loop. Up to CONSOLE_QUEUE bytes wait for the worker, and in its hands are 256 KiB more. What
 * all consoles of one user have above CONSOLE_RING each is at most CONSOLE_QUEUES and what is with
 * the worker or in snapshots: near that, guests of this user wait, and then lose their oldest
 * output. A Console that is created again for the same name continues with its files.
 */

#include "base/list.h"
#include "local/disk_queue.h"
#include "local/ledger.h"
#include "vm/console_times.h"

#define CONSOLE_RING 65536u
#define CONSOLE_QUEUE (1u << 20)
#define CONSOLE_QUEUES (8u << 20) /* of one user */

typedef struct Console Console;

/* Notified that there is more to read. Inside it may also free the console. What is written is kept
 * once for all followers (base/backlog.h), and each reads when it can. */
typedef struct ConsoleFollower ConsoleFollower;
struct ConsoleFollower {
        void (*more)(void *userdata);
        void *userdata;
        uint64_t at;   /* its place in the backlog */
        ListItem item; /* of those who follow (base/list.h) */
};

/* queue and dirfd are borrowed for as long as the queue works. queue: where the files are written
 * and removed; NULL: at once. bytes (of one file) and files are at least 1. The disk is first
 * touched for a write; its failures are not reported, but output that the files lack is logged
 * once. Returns 0 or -ENOMEM. */
int console_new(DiskQueue *queue, int dirfd, const char *name, uint64_t bytes, uint32_t files,
                Console **ret);
/* From now on what the console has above CONSOLE_RING in memory is counted to the user. The ledger
 * is borrowed, and outlives also the queue. To be called once, before the first write; without it
 * nothing is counted. */
void console_count_to(Console *console, Ledger *ledger, uid_t uid);
/* Accepts NULL. Leaves what is not in the files yet to the queue; the files stay, followers are
 * removed. */
Console *console_free(Console *console);
DEFINE_CLEANUP(Console *, console_free)
/* Returns for how many milliseconds nothing more should be read of the guest: 0 unless the disk is
 * behind, and at most 256. */
unsigned console_write(Console *console, const void *data, size_t size);
/* The bytes that the files do not have yet. */
size_t console_unsaved(const Console *console);
/* Forgets what was written: lets the queue remove the files, which nobody reads any more, and
 * begins with new ones. Returns 0, or -ENOMEM: the files stay. */
int console_clear(Console *console);
/* Lets the queue remove the files, after what the worker has already; nothing more is saved, and
 * what waited to be is given up. Returns 0 or -ENOMEM: the files stay. */
int console_remove(Console *console);
/* The last `lines` lines (0: all), at most `max` bytes from the end, from the files, or from the
 * ring where they could not be written. Newly allocated, with a NUL after its end. Returns 0,
 * -ENOMEM, or -errno of a file that cannot be read. */
int console_tail(Console *console, uint64_t lines, size_t max, char **ret, size_t *ret_size);
/* Does the same in two steps: console_snapshot() notes in the loop what the console has now, and
 * touches no file; the tail of that may be read in a worker while the console is in use. It copies
 * what is not in the files yet, or CONSOLE_RING bytes if that is less. Returns NULL without
 * memory. */
typedef struct ConsoleSnapshot ConsoleSnapshot;
ConsoleSnapshot *console_snapshot(const Console *console);
/* As console_tail(); since: only of what was written then or later, see console_times_since(); in
 * microseconds since the epoch, 0: of all. */
int console_snapshot_tail(const ConsoleSnapshot *snapshot, uint64_t lines, int64_t since,
                          size_t max, char **ret, size_t *ret_size);
/* When it was written. Borrowed. */
const ConsoleTimes *console_snapshot_times(const ConsoleSnapshot *snapshot);
ConsoleSnapshot *console_snapshot_free(ConsoleSnapshot *snapshot);
DEFINE_CLEANUP(ConsoleSnapshot *, console_snapshot_free)
/* From what is written next on. Returns 0 or -ENOMEM. */
int console_follow(Console *console, ConsoleFollower *follower);
void console_unfollow(ConsoleFollower *follower);
/* The next piece that the follower has not read, borrowed until the console is written to or the
 * follower leaves. Returns its size, 0 for nothing, or -ENODATA if so much was written meanwhile
 * that its beginning is lost: the follower then continues with what is written next. */
ssize_t console_unread(ConsoleFollower *follower, const char **ret);
void console_have_read(ConsoleFollower *follower, size_t size);
