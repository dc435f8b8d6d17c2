/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Small files of one directory that are replaced as a whole, often, and are written to the disk off
 * the loop, many by one commit.
 *
 * committer_write() replaces a file at once: every later reader finds the new version, a daemon
 * that starts after a kill -9 included. A worker thread brings it to the disk: fsync(2) of each
 * file that was written, then once of the directory. There is one worker at a time; what is written
 * while it works is committed by the next one, all of it together.
 *
 * A new version that is not on disk yet may be empty or torn once the host has crashed. Until it is
 * there, the version before that is on disk is kept as .NAME.kept; and .NAME.sync is the one that a
 * worker has while it is replaced already. committer_restore() goes back to them.
 *
 * A failure of fsync(2) is logged; the next write tries again. All functions must be called on the
 * loop.
 */

#include <stdbool.h>
#include <sys/queue.h>
#include <sys/types.h>
#include <uv.h>

typedef struct Committer Committer;

/* Loop and dirfd are borrowed. NULL without memory. */
Committer *committer_new(uv_loop_t *loop, int dirfd);
/* Syncs what is left, in this thread; once the loop has ended. NULL is allowed. */
Committer *committer_free(Committer *committer);

/* Whether all that was written is on disk, or could not be brought there. NULL: yes. */
bool committer_is_idle(const Committer *committer);

/* How many files wait for the worker, and how many it has. */
void committer_count(const Committer *committer, size_t *ret_waiting, size_t *ret_working);

/* The names of those of which that is not so, some 8 and the number of the rest; owned. NULL: none,
 * or without memory. */
char *committer_list_unwritten(const Committer *committer);

/* Replaces the file, mode 0600. Returns 0 or -errno, with which the version before stays. */
int committer_write(Committer *committer, const char *name, const void *data, size_t size);
/* Removes the file and its kept versions, and ends the waits for it without a failure. Returns 0 if
 * the file is gone or did not exist, else -errno. */
int committer_remove(Committer *committer, const char *name);

/* Somebody who waits for a file to be on disk; to be embedded, zeroed while it does not wait. */
typedef struct CommitWait CommitWait;
typedef void (*CommitDone)(CommitWait *wait, int r);

struct CommitWait {
        CommitDone done; /* set while it waits; r: 0, or -errno of fsync(2) */
        uint64_t version;
        LIST_ENTRY(CommitWait) entry;
};

/* Waits for the version that was written last. Returns 1 if `done` will be called, from the loop;
 * 0 if it is on disk, or -errno if it could not be brought there. */
int committer_wait(Committer *committer, const char *name, CommitWait *wait, CommitDone done);
/* `done` is not called any more. Idempotent. */
void commit_wait_cancel(CommitWait *wait);

/* Before a start reads the directory: whether the name is one of what is kept here. */
bool committer_is_kept(const char *name);
/* The file is torn: goes back to the newest version that is kept. Returns 1, 0 if there is none, or
 * -errno. To be repeated while that one is torn, too. */
int committer_restore(Committer *committer, const char *name);
/* The file was read and is whole: commits it if another version is kept, which then goes. Returns 0
 * or -errno: what is kept stays. */
int committer_adopt(Committer *committer, const char *name);
