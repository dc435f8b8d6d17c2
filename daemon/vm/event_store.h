/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The events on disk, and the numbers that events may have. Three files of the state directory:
 *
 *   events      the newest events, a line each
 *   events.old  those before, as many as `events` has when it is full
 *   sequence    the mark: every number below it may have been used
 *
 * A line is an event with its owner, or states whose boot of the host the lines after it are of
 * ("boot"), or that the daemon has ended in good order ("clean"). An event is appended to the file
 * before anyone receives it, so a daemon that follows a kill -9 in the same boot finds each one.
 * Nothing is synced for an event: after a crash of the host the last lines may be missing. Then, or
 * if a line is damaged, the numbers continue at the mark, and what the files have is dropped.
 *
 * A committer brings the mark to the disk, STORE_BLOCK numbers ahead, off the loop. A number that
 * is not below the mark on disk is not used: the event is refused instead.
 */

#include <json-c/json.h>
#include <sys/types.h>
#include <uv.h>

#include "base/macros.h"

#define STORE_BLOCK 65536
#define STORE_EVENTS_MAX 4096u      /* of one file */
#define STORE_FILE_MAX (4u << 20)   /* bytes of one file, and one line more */
#define STORE_EVENT_MAX (16u << 10) /* bytes of one event */

typedef struct EventStore EventStore;

typedef struct EventStoreFound {
        /* Called for each event that is kept, in the order of their numbers; takes event. 0 or
         * -ENOMEM. */
        int (*event)(uid_t owner, json_object *event, void *userdata);
        /* What was found so far is not to be trusted. */
        void (*forget)(void *userdata);
        void *userdata;
} EventStoreFound;

/* *ret_next: the number of the next event. *ret_broken: numbers before it may be those of events
 * that are lost. Syncs the mark: before the loop runs. loop, state_dirfd and boot_id are borrowed.
 * Returns 0 or -errno. */
int event_store_new(uv_loop_t *loop, int state_dirfd, const char *boot_id,
                    const EventStoreFound *found, EventStore **ret, int64_t *ret_next,
                    bool *ret_broken);
/* The loop has ended: later events have only the numbers below the mark as it is. */
void event_store_keep_mark(EventStore *store);
/* Removes the events: the next daemon continues at the mark, and reports that some may be lost. No
 * event may be appended afterwards. */
void event_store_discard(EventStore *store);
/* Ends the file in good order and syncs it, once the loop has ended. */
EventStore *event_store_free(EventStore *store);
DEFINE_CLEANUP(EventStore *, event_store_free)

/* Whether the event may have this number, which is one more than that of the event before. Whether
 * it could be written or not, no later event of any daemon has the same number. */
bool event_store_append(EventStore *store, int64_t sequence, uid_t owner, json_object *event);
