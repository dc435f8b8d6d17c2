/* SPDX-License-Identifier: Apache-2.0 */

/* Watch: events from a number on, as fast as the client reads; with a snapshot, first the CVMs that
 * exist. A slow client keeps its place as long as its events are kept; it costs the daemon nothing
 * else. A connection has one call in progress, so the number of connections of a user bounds how
 * many watch. */

#include <string.h>

#include "api/api.h"
#include "api/filter.h"

typedef struct Watch {
        WireCall *call; /* a reference */
        Manager *manager;
        Filter filter;
        int64_t next;
        bool snapshot; /* it is being sent */
        char *sent;    /* the name that it has come to; NULL: none yet */
        bool waiting;  /* for the client to read */
        bool brief;    /* it ends after the events that are kept */
        EventsFollower follower;
} Watch;

static void watch_free(Watch *watch)
{
        events_unfollow(&watch->follower);
        wire_call_unref(watch->call);
        filter_done(&watch->filter);
        free(watch->sent);
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

/* Whether the client is to read first. */
static bool watch_waits(Watch *watch)
{
        if (!watch->waiting && wire_call_is_congested(watch->call)) {
                watch->waiting = true;
                wire_call_on_drained(watch->call, on_watch_drained, watch);
        }
        return watch->waiting;
}

static bool is_visible(const Watch *watch, uid_t owner)
{
        return manager_may_see(watch->manager, wire_call_peer(watch->call), owner);
}

static bool api_watch_is_wanted(const Watch *watch, const Event *event)
{
        return event->owner == EVENT_OF_ALL ||
               (is_visible(watch, event->owner) && filter_matches_event(&watch->filter, event));
}

/* Continues the snapshot, each CVM as it is when its turn comes: what happened since the call comes
 * as events. */
static int watch_send_cvms(Watch *watch)
{
        const VmTable *table = &watch->manager->home.table;

        for (size_t i = vm_table_after(table, watch->sent); i < table->n; i++) {
                const Vm *vm = table->vms[i];
                char *name;

                if (!is_visible(watch, vm->owner) || !filter_matches_vm(&watch->filter, vm))
                        continue;
                if (watch_waits(watch))
                        return 0;
                name = strdup(vm->name);
                if (!name)
                        return -ENOMEM;
                free(watch->sent);
                watch->sent = name;
                wire_call_continue(watch->call, json_build("cvm", vm_to_json(vm), NULL));
        }
        watch->snapshot = false;
        wire_call_continue(watch->call,
                           json_build("sequence", json_object_new_int64(watch->next), "boot",
                                      json_object_new_string(watch->manager->home.boot_id), NULL));
        return 0;
}

static void watch_fail(Watch *watch, CvmError *error)
{
        wire_call_error(watch->call, error);
        watch_free(watch);
}

/* The last message says where a later Watch continues. reason: NULL if it was asked for. */
static void watch_end(Watch *watch, const char *reason)
{
        wire_call_reply(watch->call,
                        json_build("sequence",
                                   watch->snapshot ? NULL : json_object_new_int64(watch->next),
                                   "ended", reason ? json_object_new_string(reason) : NULL, NULL));
        watch_free(watch);
}

static void watch_send(Watch *watch)
{
        Events *events = watch->manager->home.events;
        _cleanup_(cvm_error_done) CvmError error = {};
        int64_t oldest = events_oldest_sequence(events), next = events_next_sequence(events);
        const Event *event;

        if (watch->next < oldest || watch->next > next) {
                if (watch->next > next)
                        cvm_error_events_ahead(&error, oldest, watch->next, next);
                else
                        cvm_error_events_lost(&error, oldest);
                watch_fail(watch, &error);
                return;
        }
        if (watch->snapshot && watch_send_cvms(watch) < 0) {
                cvm_error_system(&error, -ENOMEM, "watch");
                watch_fail(watch, &error);
                return;
        }
        while (!watch->snapshot && (event = events_get(events, watch->next))) {
                if (watch_waits(watch))
                        return;
                watch->next++;
                if (api_watch_is_wanted(watch, event))
                        wire_call_continue(watch->call, events_show(events, event));
        }
        if (watch->brief && !watch->snapshot)
                watch_end(watch, NULL);
}

static void on_more(void *userdata)
{
        watch_send(userdata);
}

static void on_end(void *userdata)
{
        watch_end(userdata, "daemon-exit");
}

typedef struct WatchParameters {
        Filter filter;
        int64_t from;
        bool snapshot, follow;
} WatchParameters;

static void watch_parameters_done(WatchParameters *p)
{
        filter_done(&p->filter);
}

static int64_t watch_begin_at(const Events *events, const WatchParameters *p)
{
        if (p->from < 0)
                return events_next_sequence(events);
        return p->from == 0 ? events_oldest_sequence(events) : p->from;
}

static int watch_start(WireCall *call, Manager *manager, WatchParameters *p, CvmError *error)
{
        Watch *watch;
        int r = filter_check(&p->filter, error);

        if (r < 0)
                return r;
        if (p->snapshot && p->from >= 0)
                return cvm_error_invalid_parameter(error, "fromSequence",
                                                   "cannot be combined with snapshot");
        watch = calloc(1, sizeof(*watch));
        if (!watch)
                return cvm_error_system(error, -ENOMEM, "watch");
        *watch = (Watch){
                .call = wire_call_ref(call),
                .manager = manager,
                .filter = p->filter,
                .next = watch_begin_at(manager->home.events, p),
                .snapshot = p->snapshot,
                .brief = !p->follow,
                .follower = {.more = on_more, .end = on_end, .userdata = watch},
        };
        p->filter = (Filter){};
        wire_call_on_gone(call, on_watch_gone, watch);
        events_follow(manager->home.events, &watch->follower);
        watch_send(watch);
        return 0;
}

int api_watch(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                {"name", JSON_STRING, offsetof(WatchParameters, filter.name)},
                {"fromSequence", JSON_INT, offsetof(WatchParameters, from), 0, 0, INT64_MAX},
                {"snapshot", JSON_BOOL, offsetof(WatchParameters, snapshot)},
                {"follow", JSON_BOOL, offsetof(WatchParameters, follow)},
                FILTER_FIELDS(WatchParameters, filter),
                {},
        };
        _cleanup_(watch_parameters_done)
                WatchParameters p = {.filter = FILTER_ANY, .from = -1, .follow = true};
        int r = api_dispatch(parameters, fields, &p, error);

        return r < 0 ? r : watch_start(call, userdata, &p, error);
}
