/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/events.h"

#include <string.h>
#include <sys/param.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "local/log.h"
#include "vm/event_store.h"

struct Events {
        EventStore *store;
        int64_t next;            /* number of the next event */
        Event kept[EVENTS_KEPT]; /* event n is at n % EVENTS_KEPT */
        int64_t oldest;
        int64_t shown_sequence; /* of the event that `shown` is the reply for */
        json_object *shown;     /* NULL: none yet */
        int64_t n_lost;         /* that had to go without a number; said by the next that has one */
        List followers;
};

static void event_done(Event *event)
{
        free(event->name);
        free(event->id);
        json_object_put(event->json);
        *event = (Event){};
}

/* Takes json. */
static int events_keep(Events *events, int64_t sequence, uid_t owner, json_object *json)
{
        Event *slot = &events->kept[sequence % EVENTS_KEPT];

        event_done(slot);
        *slot = (Event){
                .sequence = sequence,
                .owner = owner,
                .name = strdup(json_member_string(json, "name")),
                .id = strdup(json_member_string(json, "id")),
                .json = json,
        };
        events->next = sequence + 1;
        events->oldest = MAX(events->oldest, events->next - EVENTS_KEPT);
        return slot->name && slot->id ? 0 : -ENOMEM;
}

static int on_found(uid_t owner, json_object *event, void *userdata)
{
        Events *events = userdata;
        int64_t sequence = json_member_int(event, "sequence", 0);

        if (events->next == 0)
                events->oldest = sequence;
        return events_keep(events, sequence, owner, event);
}

static void on_forget(void *userdata)
{
        Events *events = userdata;

        for (size_t i = 0; i < EVENTS_KEPT; i++)
                event_done(&events->kept[i]);
        events->next = 0;
}

static void events_tell(Events *events)
{
        EventsFollower *follower;

        list_foreach (follower, &events->followers, item)
                if (follower->more)
                        follower->more(follower->userdata);
}

/* Takes json. False: it has no number, and is gone. */
static bool events_number(Events *events, uid_t owner, json_object *json)
{
        if (!event_store_append(events->store, events->next, owner, json)) {
                json_object_put(json);
                return false;
        }
        (void)events_keep(events, events->next, owner,
                          json); /* what has no name is of no name's CVM */
        return true;
}

static json_object *event_to_json(const Events *events, const EventSubject *subject,
                                  const char *kind)
{
        bool all = subject->owner == EVENT_OF_ALL;

        return json_build("sequence", json_object_new_int64(events->next), "at",
                          json_object_new_int64(clock_now_usec()), "name",
                          json_object_new_string(subject->name), "id",
                          json_object_new_string(subject->id), "kind", json_object_new_string(kind),
                          "owner", all ? NULL : json_object_new_int64(subject->owner), "platform",
                          all ? NULL : json_object_new_string(subject->platform), "labels",
                          json_object_get(subject->labels), NULL);
}

/* count: how many; 0: unknown. False: it cannot be said now. */
static bool say_lost(Events *events, const char *reason, int64_t count)
{
        const EventSubject all = {.owner = EVENT_OF_ALL, .name = "", .id = ""};
        json_object *json = event_to_json(events, &all, "events-lost");

        json_object_object_add(json, "detail",
                               json_build("reason", json_object_new_string(reason), "count",
                                          count ? json_object_new_int64(count) : NULL, NULL));
        return events_number(events, EVENT_OF_ALL, json);
}

int events_new(uv_loop_t *loop, int state_dirfd, const char *boot_id, Events **ret)
{
        _cleanup_(events_freep) Events *events = calloc(1, sizeof(*events));
        int64_t next;
        bool broken;
        int r;

        if (!events)
                return -ENOMEM;
        r = event_store_new(
                loop, state_dirfd, boot_id,
                &(EventStoreFound){.event = on_found, .forget = on_forget, .userdata = events},
                &events->store, &next, &broken);
        if (r < 0)
                return r;
        if (events->next == 0)
                events->oldest = next;
        events->next = next;
        if (broken) {
                log_warning("the last events before this start may be lost: event numbers continue "
                            "at %" PRId64,
                            next);
                (void)say_lost(events, "unclean-boot", 0);
        }
        *ret = TAKE_PTR(events);
        return 0;
}

Events *events_free(Events *events)
{
        if (!events)
                return NULL;
        if (events->store)
                event_store_keep_mark(events->store);
        /* no client knows of them */
        if (events->n_lost && !say_lost(events, "disk", events->n_lost))
                event_store_discard(events->store);
        event_store_free(events->store);
        list_clear(&events->followers);
        json_object_put(events->shown);
        for (size_t i = 0; i < EVENTS_KEPT; i++)
                event_done(&events->kept[i]);
        free(events);
        return NULL;
}

/* A guest, or a program that fails, may have much to say. */
static json_object *bounded_detail(json_object *detail)
{
        /* what is made a text keeps it, and the detail is kept for long */
        _cleanup_json_ json_object *wrapper = json_object_new_array_ext(1);
        const char *text;
        size_t size;

        if (!detail || !wrapper)
                return detail;
        json_object_array_add(wrapper, json_object_get(detail));
        text = json_text(wrapper);
        size = strlen(text);
        if (size <= EVENTS_DETAIL_MAX + strlen("[]") && text_is_utf8(text, size))
                return detail;
        json_object_put(detail);
        return json_build("omitted", json_object_new_string("too long"), NULL);
}

void events_emit(Events *events, const EventSubject *subject, const char *kind,
                 const char *old_state, const char *new_state, json_object *detail)
{
        json_object *json;

        detail = bounded_detail(detail);
        if (events->n_lost && say_lost(events, "disk", events->n_lost))
                events->n_lost = 0;
        json = event_to_json(events, subject, kind);
        if (old_state)
                json_object_object_add(json, "oldState", json_object_new_string(old_state));
        if (new_state)
                json_object_object_add(json, "newState", json_object_new_string(new_state));
        if (detail)
                json_object_object_add(json, "detail", detail);
        if (events_number(events, subject->owner, json))
                events_tell(events);
        else
                events->n_lost++;
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

json_object *events_show(Events *events, const Event *event)
{
        JsonWriter writer = {};

        if (events->shown && events->shown_sequence == event->sequence)
                return json_object_get(events->shown);
        json_object_put(events->shown);
        json_write_begin(&writer, NULL, '{');
        json_write_tree(&writer, "event", event->json);
        json_write_end(&writer, '}');
        events->shown = json_writer_to_object(&writer);
        events->shown_sequence = event->sequence;
        return events->shown ? json_object_get(events->shown)
                             : json_build("event", json_object_get(event->json), NULL);
}

void events_follow(Events *events, EventsFollower *follower)
{
        list_add(&events->followers, &follower->item);
}

void events_unfollow(EventsFollower *follower)
{
        list_remove(&follower->item);
}

void events_end(Events *events)
{
        EventsFollower *follower;

        list_foreach (follower, &events->followers, item)
                if (follower->end)
                        follower->end(follower->userdata);
}
