/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What happened, with sequence numbers: the last EVENTS_KEPT events, and who follows them.
 *
 * Numbers grow by one an event and are never used twice. The events are on disk as well
 * (event_store.h): a restarted daemon has them, or the last 4 MiB, and continues the numbers. If
 * events are lost, after a crash of the host or while the disk does not answer, an event of kind
 * events-lost, which all users see, reports it.
 */

#include <json-c/json.h>
#include <sys/types.h>
#include <uv.h>

#include "base/list.h"

#define EVENTS_KEPT 4096u
#define EVENTS_DETAIL_MAX 8192u /* bytes of one, as JSON; a longer one is left out */

#define EVENT_OF_ALL ((uid_t)-1)

typedef struct Events Events;

/* The CVM that an event is about; all borrowed. */
typedef struct EventSubject {
        uid_t owner;
        const char *name, *id, *platform;
        json_object *labels; /* never changed afterwards: events share it; NULL: none */
} EventSubject;

typedef struct Event {
        int64_t sequence;
        uid_t owner;       /* EVENT_OF_ALL: any user may see it */
        char *name, *id;   /* of the CVM; "" if it is about none */
        json_object *json; /* the interface's type Event */
} Event;

/* Notified after each new event, and when the daemon ends; either may be NULL. */
typedef struct EventsFollower EventsFollower;
struct EventsFollower {
        void (*more)(void *userdata);
        void (*end)(void *userdata);
        void *userdata;
        ListItem item; /* of those who follow (base/list.h) */
};

/* Before the loop runs. What is given is borrowed for the life of Events. Returns 0 or -errno. */
int events_new(uv_loop_t *loop, int state_dirfd, const char *boot_id, Events **ret);
Events *events_free(Events *events); /* followers are removed */
DEFINE_CLEANUP(Events *, events_free)

/* old_state, new_state, detail may be NULL; detail is taken. */
void events_emit(Events *events, const EventSubject *subject, const char *kind,
                 const char *old_state, const char *new_state, json_object *detail);

int64_t events_next_sequence(const Events *events);
int64_t events_oldest_sequence(const Events *events);
/* The event of that number, or NULL if it is not (or no longer, or not yet) kept. */
const Event *events_get(const Events *events, int64_t sequence);

/* The reply of a Watch, {"event": …}, to be written only, as a new reference. It is made once for
 * all who are sent the event now. */
json_object *events_show(Events *events, const Event *event);

void events_follow(Events *events, EventsFollower *follower);
void events_unfollow(EventsFollower *follower);
/* The daemon ends: notifies the followers, which must then finish. */
void events_end(Events *events);
