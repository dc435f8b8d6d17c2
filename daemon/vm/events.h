/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What happened, with sequence numbers: the last EVENTS_KEPT events in memory, and who follows
 * them.
 *
 * Numbers grow by one an event and never repeat, also over restarts: they are reserved on disk in
 * blocks of EVENTS_BLOCK before use, so a crash can only skip some. If that file is damaged, the
 * numbers continue from the time in microseconds.
 */

#include <json-c/json.h>
#include <sys/types.h>

#include "base/macros.h"

#define EVENTS_KEPT 4096u
#define EVENTS_BLOCK 1024

typedef struct Events Events;

/* The CVM that an event is about; all borrowed. */
typedef struct EventSubject {
        uid_t owner;
        const char *name, *id, *platform;
        json_object *labels; /* never changed afterwards: events share it; NULL: none */
} EventSubject;

typedef struct Event {
        int64_t sequence;
        uid_t owner;
        char *name;
        json_object *json; /* the interface's type Event */
} Event;

/* Told after each new event; may remove itself inside. */
typedef struct EventsFollower EventsFollower;
struct EventsFollower {
        void (*more)(void *userdata);
        void *userdata;
        EventsFollower *next, **link; /* link NULL: not following */
};

/* state_dirfd is borrowed for the life of Events. Returns 0 or -errno. */
int events_new(int state_dirfd, Events **ret);
Events *events_free(Events *events);
DEFINE_CLEANUP(Events *, events_free)

/* old_state, new_state, detail may be NULL; detail is taken. */
void events_emit(Events *events, const EventSubject *subject, const char *kind,
                 const char *old_state, const char *new_state, json_object *detail);

int64_t events_next_sequence(const Events *events);
int64_t events_oldest_sequence(const Events *events);
/* The event of that number, or NULL if it is not (or no longer, or not yet) kept. */
const Event *events_get(const Events *events, int64_t sequence);

void events_follow(Events *events, EventsFollower *follower);
void events_unfollow(EventsFollower *follower);
