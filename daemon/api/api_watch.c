/* SPDX-License-Identifier: Apache-2.0 */

/* Watch: events from a number on, as fast as the client reads. A slow client keeps its place as
 * long as its events are kept; it costs nobody anything but that. */

#include "api/api.h"
#include "api/filter.h"

typedef struct Watch {
        WireCall *call; /* a reference */
        Manager *manager;
        Filter filter;
        int64_t next;
        bool waiting; /* for the client to read */
        EventsFollower follower;
} Watch;

static void watch_free(Watch *watch)
{
        events_unfollow(&watch->follower);
        wire_call_unref(watch->call);
        filter_done(&watch->filter);
        free(watch);
}

static void on_watch_gone(WireCall *call, void *userdata)
{
        wire_call_reply(call, NULL); /* every call has an end */
        watch_free(userdata);
}

static void watch_send(Watch *watch);

static void on_watch_drained(WireCall *call, void *userdata)
{
        Watch *watch = userdata;

        watch->waiting = false;
        watch_send(watch);
}

static bool is_wanted(const Watch *watch, const Event *event)
{
        return manager_may_see(watch->manager, wire_call_peer(watch->call), event->owner) &&
               filter_matches_event(&watch->filter, event);
}

static void watch_send(Watch *watch)
{
        const Events *events = watch->manager->home.events;

        if (watch->next < events_oldest_sequence(events)) {
                _cleanup_(cvm_error_done) CvmError error = {};

                cvm_error_events_lost(&error, events_oldest_sequence(events));
                wire_call_error(watch->call, &error);
                watch_free(watch);
                return;
        }
        while (!watch->waiting) {
                const Event *event = events_get(events, watch->next);

                if (!event)
                        return;
                if (wire_call_is_congested(watch->call)) {
                        watch->waiting = true;
                        wire_call_on_drained(watch->call, on_watch_drained, watch);
                        return;
                }
                watch->next++;
                if (is_wanted(watch, event))
                        wire_call_continue(watch->call,
                                           json_build("event", json_object_get(event->json), NULL));
        }
}

static void on_more(void *userdata)
{
        watch_send(userdata);
}

typedef struct WatchParameters {
        Filter filter;
        int64_t from;
} WatchParameters;

void api_watch(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {
                {"name", JSON_STRING, offsetof(WatchParameters, filter.name)},
                {"fromSequence", JSON_INT, offsetof(WatchParameters, from), 0, 0, INT64_MAX},
                FILTER_FIELDS(WatchParameters, filter),
                {},
        };
        _cleanup_(cvm_error_done) CvmError error = {};
        WatchParameters p = {.filter = FILTER_ANY, .from = -1};
        Manager *manager = userdata;
        Watch *watch = NULL;

        if (!api_dispatch(call, parameters, fields, &p)) {
                filter_done(&p.filter);
                return;
        }
        if (filter_check(&p.filter, &error) == 0 && !(watch = calloc(1, sizeof(*watch))))
                cvm_error_system(&error, -ENOMEM, "watch");
        if (!watch) {
                filter_done(&p.filter);
                wire_call_error(call, &error);
                return;
        }
        if (p.from < 0)
                p.from = events_next_sequence(manager->home.events);
        else if (p.from == 0)
                p.from = events_oldest_sequence(manager->home.events);
        *watch = (Watch){
                .call = wire_call_ref(call),
                .manager = manager,
                .filter = p.filter,
                .next = p.from,
                .follower = {.more = on_more, .userdata = watch},
        };
        wire_call_on_gone(call, on_watch_gone, watch);
        events_follow(manager->home.events, &watch->follower);
        watch_send(watch);
}
