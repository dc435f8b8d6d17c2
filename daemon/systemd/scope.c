/* SPDX-License-Identifier: Apache-2.0 */
#include "systemd/scope.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/text.h"

#define SYSTEMD "org.freedesktop.systemd1"
#define SYSTEMD_PATH "/org/freedesktop/systemd1"
#define SYSTEMD_MANAGER "org.freedesktop.systemd1.Manager"
#define UNIT_MAX 255 /* bytes of a unit's name (systemd.unit(5)) */

struct ScopeStart {
        uv_timer_t timer;
        char *unit;
        sd_bus_slot *match, *call; /* owned */
        ScopeDone done;
        void *userdata;
};

char *scope_unit_name(const char *name, pid_t pid)
{
        return text_format("cvm-%s-%d.scope", name, (int)pid);
}

bool scope_unit_is_valid(const char *unit)
{
        static const char safe[] =
                "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
        size_t length = strlen(unit);

        return length <= UNIT_MAX && strncmp(unit, "cvm-", 4) == 0 &&
               strspn(unit, safe) == length && length > strlen("cvm-.scope") &&
               strcmp(unit + length - strlen(".scope"), ".scope") == 0;
}

static void on_closed(uv_handle_t *handle)
{
        ScopeStart *start = container_of((uv_timer_t *)handle, ScopeStart, timer);

        free(start->unit);
        free(start);
}

void scope_start_cancel(ScopeStart *start)
{
        sd_bus_slot_unref(TAKE_PTR(start->match));
        sd_bus_slot_unref(TAKE_PTR(start->call));
        uv_close((uv_handle_t *)&start->timer, on_closed);
}

static void finish(ScopeStart *start, int r, const char *reason)
{
        ScopeDone done = start->done;
        void *userdata = start->userdata;

        scope_start_cancel(start);
        done(r, reason, userdata);
}

static void on_timeout(uv_timer_t *timer)
{
        finish(container_of(timer, ScopeStart, timer), -ETIMEDOUT, "it does not respond");
}

static int on_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        /* no reply in time, or the connection ended before it */
        bool unknown = sd_bus_message_get_errno(reply) == ETIMEDOUT;

        if (!error)
                return 0; /* the job is queued: its end is reported */
        finish(userdata, unknown ? -ETIMEDOUT : -EREMOTEIO, error->message ?: error->name);
        return 0;
}

static int on_job_removed(sd_bus_message *signal, void *userdata, sd_bus_error *ignored)
{
        ScopeStart *start = userdata;
        const char *unit, *result;

        /* every job's; sd-bus matches no argument behind a number */
        if (sd_bus_message_read(signal, "uoss", NULL, NULL, &unit, &result) < 0 ||
            strcmp(unit, start->unit) != 0)
                return 0;
        if (strcmp(result, "done") == 0)
                finish(start, 0, NULL);
        else
                finish(start, -EREMOTEIO, result);
        return 0;
}

/* An UINT64 property, unless it is 0. */
static int append_number(sd_bus_message *m, const char *name, uint64_t value)
{
        return value ? sd_bus_message_append(m, "(sv)", name, "t", value) : 0;
}

static int append_devices(sd_bus_message *m, char *const *devices)
{
        int r = sd_bus_message_append(m, "(sv)", "DevicePolicy", "s", "closed");

        if (r >= 0)
                r = sd_bus_message_open_container(m, 'r', "sv");
        if (r >= 0)
                r = sd_bus_message_append(m, "s", "DeviceAllow");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'v', "a(ss)");
        if (r >= 0)
                r = sd_bus_message_open_container(m, 'a', "(ss)");
        for (; r >= 0 && devices && *devices; devices++)
                /* systemd takes nothing else, and the list has sockets, too */
                if (strncmp(*devices, "/dev/", strlen("/dev/")) == 0)
                        r = sd_bus_message_append(m, "(ss)", *devices, "rw");
        for (unsigned i = 0; r >= 0 && i < 3; i++)
                r = sd_bus_message_close_container(m);
        return r;
}

static int append_properties(sd_bus_message *m, const ScopeSpec *spec)
{
        const SpecLimits *limits = spec->limits;
        int r;

        r = sd_bus_message_append(m, "(sv)(sv)(sv)(sv)", "Description", "s", spec->description,
                                  "Slice", "s", "cvm.slice", "CollectMode", "s",
                                  "inactive-or-failed", "PIDs", "au", 1, (uint32_t)spec->pid);
        /* When the host goes down: cvm@.service stops its CVM over the daemon, then the daemon
         * goes, and only then what is left. */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "Before", "as", 1, "cvmd.service");
        /* for local/usage.h: memory and tasks are counted unless the host's administrator says
         * otherwise, and CPU time always */
        if (r >= 0)
                r = sd_bus_message_append(m, "(sv)", "IOAccounting", "b", 1);
        if (r >= 0)
                r = append_number(m, "TasksMax", limits->tasks_max ?: spec->tasks_max);
        if (r >= 0)
                r = append_number(m, "MemoryHigh", limits->memory_high);
        if (r >= 0)
                r = append_number(m, "MemoryMax", limits->memory_max);
        if (r >= 0)
                r = append_number(m, "CPUWeight", limits->cpu_weight);
        return r < 0 ? r : append_devices(m, spec->devices);
}

static int make_call(sd_bus *connection, const ScopeSpec *spec, sd_bus_message **ret)
{
        int r = sd_bus_message_new_method_call(connection, ret, SYSTEMD, SYSTEMD_PATH,
                                               SYSTEMD_MANAGER, "StartTransientUnit");

        if (r >= 0)
                r = sd_bus_message_append(*ret, "ss", spec->unit, "fail");
        if (r >= 0)
                r = sd_bus_message_open_container(*ret, 'a', "(sv)");
        if (r >= 0)
                r = append_properties(*ret, spec);
        if (r >= 0)
                r = sd_bus_message_close_container(*ret);
        return r < 0 ? r : sd_bus_message_append(*ret, "a(sa(sv))", 0);
}

/* Hears of jobs before it asks for one. */
static int send_all(ScopeStart *start, sd_bus *connection, const ScopeSpec *spec)
{
        sd_bus_message *message = NULL;
        int r;

        r = sd_bus_match_signal_async(connection, &start->match, SYSTEMD, SYSTEMD_PATH,
                                      SYSTEMD_MANAGER, "JobRemoved", on_job_removed, NULL, start);
        if (r >= 0)
                r = sd_bus_call_method_async(connection, NULL, SYSTEMD, SYSTEMD_PATH,
                                             SYSTEMD_MANAGER, "Subscribe", NULL, NULL, NULL);
        if (r >= 0)
                r = make_call(connection, spec, &message);
        if (r >= 0)
                r = sd_bus_call_async(connection, &start->call, message, on_reply, start,
                                      spec->msec * UINT64_C(1000));
        sd_bus_message_unref(message);
        return r < 0 ? r : 0;
}

int scope_start(uv_loop_t *loop, Bus *bus, const ScopeSpec *spec, ScopeDone done, void *userdata,
                ScopeStart **ret)
{
        sd_bus *connection;
        ScopeStart *start;
        int r = bus_get(bus, &connection);

        if (r < 0)
                return r;
        start = calloc(1, sizeof(*start));
        if (!start)
                return -ENOMEM;
        start->done = done;
        start->userdata = userdata;
        uv_timer_init(loop, &start->timer);
        uv_timer_start(&start->timer, on_timeout, spec->msec, 0);
        start->unit = strdup(spec->unit);
        r = start->unit ? send_all(start, connection, spec) : -ENOMEM;
        if (r < 0) {
                scope_start_cancel(start);
                return r;
        }
        *ret = start;
        return 0;
}

/* sd-bus bounds a call, too, but does not answer those of a connection that bus_get() replaces. */
struct ScopeSet {
        uv_timer_t timer;
        sd_bus_slot *call; /* owned */
        ScopeDone done;
        void *userdata;
};

static void on_set_closed(uv_handle_t *handle)
{
        free(container_of((uv_timer_t *)handle, ScopeSet, timer));
}

void scope_set_cancel(ScopeSet *set)
{
        sd_bus_slot_unref(TAKE_PTR(set->call));
        uv_close((uv_handle_t *)&set->timer, on_set_closed);
}

static void scope_set_finish(ScopeSet *set, int r, const char *reason)
{
        ScopeDone done = set->done;
        void *userdata = set->userdata;

        scope_set_cancel(set);
        done(r, reason, userdata);
}

static void on_set_timeout(uv_timer_t *timer)
{
        scope_set_finish(container_of(timer, ScopeSet, timer), -ETIMEDOUT, "it does not respond");
}

static int on_set_reply(sd_bus_message *reply, void *userdata, sd_bus_error *ignored)
{
        const sd_bus_error *error = sd_bus_message_get_error(reply);
        bool unknown = sd_bus_message_get_errno(reply) == ETIMEDOUT;

        if (!error)
                scope_set_finish(userdata, 0, NULL);
        else
                scope_set_finish(userdata, unknown ? -ETIMEDOUT : -EREMOTEIO,
                                 error->message ?: error->name);
        return 0;
}

/* Until the scope's end, like all that a transient unit has. */
static int scope_set_make_call(sd_bus *connection, const char *unit, const SpecLimits *limits,
                               sd_bus_message **ret)
{
        uint64_t weight = limits->cpu_weight ?: UINT64_MAX;
        uint64_t high = limits->memory_high ?: UINT64_MAX;
        int r = sd_bus_message_new_method_call(connection, ret, SYSTEMD, SYSTEMD_PATH,
                                               SYSTEMD_MANAGER, "SetUnitProperties");

        return r < 0 ? r
                     : sd_bus_message_append(*ret, "sba(sv)", unit, 1, 2, "CPUWeight", "t", weight,
                                             "MemoryHigh", "t", high);
}

/* Takes nothing. */
static int scope_set_send(sd_bus *connection, sd_bus_message *message, unsigned msec, ScopeSet *set)
{
        return set ? sd_bus_call_async(connection, &set->call, message, on_set_reply, set,
                                       msec * UINT64_C(1000))
                   : sd_bus_send(connection, message, NULL);
}

int scope_set_limits(uv_loop_t *loop, Bus *bus, const char *unit, const SpecLimits *limits,
                     unsigned msec, ScopeDone done, void *userdata, ScopeSet **ret)
{
        sd_bus_message *message = NULL;
        sd_bus *connection;
        ScopeSet *set = NULL;
        int r = bus_get(bus, &connection);

        if (r < 0)
                return r;
        if (done) {
                set = calloc(1, sizeof(*set));
                if (!set)
                        return -ENOMEM;
                set->done = done;
                set->userdata = userdata;
                uv_timer_init(loop, &set->timer);
                uv_timer_start(&set->timer, on_set_timeout, msec, 0);
        }
        r = scope_set_make_call(connection, unit, limits, &message);
        if (r >= 0)
                r = scope_set_send(connection, message, msec, set);
        sd_bus_message_unref(message);
        if (r < 0 && set)
                scope_set_cancel(set);
        if (r < 0)
                return r;
        if (set)
                *ret = set;
        return 0;
}

void scope_stop(Bus *bus, const char *unit)
{
        sd_bus *connection;

        if (bus_get(bus, &connection) >= 0)
                sd_bus_call_method_async(connection, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_MANAGER,
                                         "StopUnit", NULL, NULL, "ss", unit, "replace");
}
