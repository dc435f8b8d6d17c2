/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a CVM wrote to its console: rotated files on disk and a ring of the last bytes in memory.
 *
 * Files NAME.log, NAME.log.1, … below a directory, mode 0600, never more than bytes × files on disk
 * whatever the guest writes. A disk that is full costs the files, not the ring. A Console that is
 * created again for the same name continues with its files.
 */

#include "base/list.h"

#define CONSOLE_RING 65536u

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

/* dirfd is borrowed for the console's life. bytes (of one file) and files are at least 1. The disk
 * is first touched by a write; its failures are never reported. Returns 0 or -ENOMEM. */
int console_new(int dirfd, const char *name, uint64_t bytes, uint32_t files, Console **ret);
Console *console_free(Console *console); /* accepts NULL; the files stay, followers are removed */
DEFINE_CLEANUP(Console *, console_free)
void console_write(Console *console, const void *data, size_t size);
/* The last `lines` lines (0: all), at most `max` bytes from the end, from the files, or from the
 * ring where they could not be written. Newly allocated, with a NUL after its end. Returns 0,
 * -ENOMEM, or -errno of a file that cannot be read. */
int console_tail(Console *console, uint64_t lines, size_t max, char **ret, size_t *ret_size);
/* The same in two steps: what the console holds now, opened in the loop, and its tail, which may be
 * read in a worker while the console is in use. Returns NULL without memory. */
typedef struct ConsoleSnapshot ConsoleSnapshot;
ConsoleSnapshot *console_snapshot(const Console *console);
int console_snapshot_tail(const ConsoleSnapshot *snapshot, uint64_t lines, size_t max, char **ret,
                          size_t *ret_size);
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
/* The bytes that the files of that name have. */
uint64_t console_size(int dirfd, const char *name, uint32_t files);
/* Removes the files of a console that is not open any more, or will be freed next; absent is
 * success. */
int console_remove(int dirfd, const char *name, uint32_t files);
