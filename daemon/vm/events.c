/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/events.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "local/clock.h"
#include "local/log.h"

#define SEQUENCE_FILE "sequence"

struct Events {
        int state_dirfd;
        int64_t next;            /* number of the next event */
        int64_t reserved;        /* first number that is not reserved on disk */
        Event kept[EVENTS_KEPT]; /* event n is at n % EVENTS_KEPT */
        int64_t oldest;
        EventsFollower *followers;
};

static void reserve(Events *events)
{
        char text[24];
        int n, r;

        if (events->next < events->reserved)
                return;
        events->reserved = events->next + EVENTS_BLOCK;
        n = snprintf(text, sizeof(text), "%" PRId64 "\n", events->reserved);
        r = file_write_atomic_at(events->state_dirfd, SEQUENCE_FILE, text, (size_t)n, 0600);
        if (r < 0) {
                _cleanup_free_ char *path = file_path_at(events->state_dirfd, SEQUENCE_FILE);

                log_warning("cannot write %s, so event numbers may repeat after a restart: %s",
                            path ?: SEQUENCE_FILE, strerror(-r));
        }
}

int events_new(int state_dirfd, Events **ret)
{
        _cleanup_free_ char *text = NULL;
        Events *events = calloc(1, sizeof(*events));
        uint64_t next = 1;
        size_t size;
        int r;

        if (!events)
                return -ENOMEM;
        r = file_read_at(state_dirfd, SEQUENCE_FILE, 24, &text, &size);
        if (r == 0) {
                if (size && text[size - 1] == '\n')
                        text[size - 1] = 0;
                r = text_parse_uint(text, 1, INT64_MAX / 2, &next);
        }
        if (r == -EINVAL || r == -ERANGE || r == -EFBIG || r == -EIO) {
                /* Whatever the numbers were, so many events there cannot have been. */
                next = (uint64_t)clock_now_usec();
                log_warning("file %s is not readable, event numbers continue at %" PRIu64,
                            SEQUENCE_FILE, next);
        } else if (r < 0 && r != -ENOENT) {
                events_free(events);
                return r;
        }
        events->state_dirfd = state_dirfd;
        events->next = events->oldest = events->reserved = (int64_t)next;
        *ret = events;
        return 0;
}

static void event_done(Event *event)
{
        free(event->name);
        json_object_put(event->json);
        *event = (Event){};
}

Events *events_free(Events *events)
{
        if (!events)
                return NULL;
        for (size_t i = 0; i < EVENTS_KEPT; i++)
                event_done(&events->kept[i]);
        free(events);
        return NULL;
}

void events_emit(Events *events, const EventSubject *subject, const char *kind,
                 const char *old_state, const char *new_state, json_object *detail)
{
        EventsFollower *follower, *next;
        Event *slot;

        reserve(events);
        slot = &events->kept[events->next % EVENTS_KEPT];
        event_done(slot);
        *slot = (Event){
                .sequence = events->next,
                .owner = subject->owner,
                .name = strdup(subject->name),
                .json = json_build("sequence", json_object_new_int64(events->next), "at",
                                   json_object_new_int64(clock_now_usec()), "name",
                                   json_object_new_string(subject->name), "id",
                                   json_object_new_string(subject->id), "kind",
                                   json_object_new_string(kind), "owner",
                                   json_object_new_int64(subject->owner), "platform",
                                   json_object_new_string(subject->platform), "labels",
                                   json_object_get(subject->labels), NULL),
        };
        if (old_state)
                json_object_object_add(slot->json, "oldState", json_object_new_string(old_state));
        if (new_state)
                json_object_object_add(slot->json, "newState", json_object_new_string(new_state));
        if (detail)
                json_object_object_add(slot->json, "detail", detail);
        events->next++;
        if (events->next - events->oldest > EVENTS_KEPT)
                events->oldest = events->next - EVENTS_KEPT;

        for (follower = events->followers; follower; follower = next) {
                next = follower->next;
                follower->more(follower->userdata);
        }
}

int64_t events_next_sequence(const Events *events)
{
        return events->next;
}

int64_t events_oldest_sequence(const Events *events)
{
        return events->oldest;
}

const Event *events_get(const Events *events, int64_t sequence)
{
        if (sequence < events->oldest || sequence >= events->next)
                return NULL;
        return &events->kept[sequence % EVENTS_KEPT];
}

void events_follow(Events *events, EventsFollower *follower)
{
        follower->next = events->followers;
        follower->link = &events->followers;
        if (follower->next)
                follower->next->link = &follower->next;
        events->followers = follower;
}

void events_unfollow(EventsFollower *follower)
{
        if (!follower->link)
                return;
        *follower->link = follower->next;
        if (follower->next)
                follower->next->link = follower->link;
        follower->link = NULL;
}
