/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Stats: what CVMs have used of the host. Which CVMs, and where the kernel counts it, is noted on
 * the loop; a worker reads the kernel's files and writes the reply, in the caller's turn (turns.h),
 * since for 1,000 CVMs that takes tens of milliseconds.
 */

#include <string.h>

#include "api/api.h"
#include "launch/quota.h"
#include "local/usage.h"

/* One CVM, as the loop notes it. */
typedef struct StatsCvm {
        char *name, *id, *scope, *tap; /* owned; the latter may be NULL */
        VmState state;
        uint32_t cpus;
        pid_t pid; /* 0: none */
        uint64_t start_time;
        char *kind, *new_state; /* of its last event; owned; kind NULL: it is not kept */
        int64_t event_sequence, event_at;
} StatsCvm;

typedef struct StatsJob {
        Turn turn;
        WireCall *call; /* a reference */
        StatsCvm *cvms; /* owned; sorted by name */
        size_t n_cvms;
        char *text; /* of the array; owned */
        int r;
} StatsJob;

static void stats_job_free(StatsJob *job)
{
        for (size_t i = 0; i < job->n_cvms; i++) {
                free(job->cvms[i].name);
                free(job->cvms[i].id);
                free(job->cvms[i].scope);
                free(job->cvms[i].tap);
                free(job->cvms[i].kind);
                free(job->cvms[i].new_state);
        }
        free(job->cvms);
        free(job->text);
        wire_call_unref(job->call);
        free(job);
}

static char *stats_copy(const char *text)
{
        return text ? strdup(text) : NULL;
}

/* The guest's tap, if its spec names one. */
static const char *stats_tap(const Vm *vm)
{
        const char *network = json_member_string(vm->spec, "network");

        return network && strncmp(network, "tap:", 4) == 0 ? network + 4 : NULL;
}

static int stats_note(StatsJob *job, const Vm *vm)
{
        StatsCvm *cvm = &job->cvms[job->n_cvms++];
        const DriverVm *driver = vm->process.driver;

        *cvm = (StatsCvm){
                .name = strdup(vm->name),
                .id = strdup(vm->id),
                .scope = stats_copy(vm->process.scope),
                .tap = stats_copy(stats_tap(vm)),
                .state = vm->state,
                .cpus = vm->cpus,
                .pid = driver ? vm->ops->pid(driver) : 0,
                .start_time = driver && vm->ops->start_time ? vm->ops->start_time(driver) : 0,
        };
        if (!cvm->name || !cvm->id || (vm->process.scope && !cvm->scope))
                return -ENOMEM;
        return 0;
}

static StatsCvm *stats_find(StatsJob *job, const Event *event)
{
        size_t from = 0, to = job->n_cvms;

        while (from < to) {
                size_t middle = from + (to - from) / 2;
                int order = strcmp(event->name, job->cvms[middle].name);

                if (order == 0)
                        return strcmp(event->id, job->cvms[middle].id) == 0 ? &job->cvms[middle]
                                                                            : NULL;
                if (order < 0)
                        to = middle;
                else
                        from = middle + 1;
        }
        return NULL;
}

/* From the newest event back, until each CVM has one or no older one is kept. */
static void stats_note_events(StatsJob *job, const Events *events)
{
        size_t n_left = job->n_cvms;

        for (int64_t i = events_next_sequence(events) - 1;
             n_left && i >= events_oldest_sequence(events); i--) {
                const Event *event = events_get(events, i);
                StatsCvm *cvm = event ? stats_find(job, event) : NULL;

                if (!cvm || cvm->kind)
                        continue;
                cvm->kind = stats_copy(json_member_string(event->json, "kind"));
                cvm->new_state = stats_copy(json_member_string(event->json, "newState"));
                cvm->event_at = json_member_int(event->json, "at", 0);
                cvm->event_sequence = i;
                n_left--;
        }
}

static void stats_write(JsonWriter *w, const StatsCvm *cvm)
{
        Usage usage;

        usage_read(cvm->pid, cvm->start_time, cvm->scope, cvm->tap, &usage);
        json_write_begin(w, NULL, '{');
        json_write_text(w, "name", cvm->name);
        json_write_text(w, "id", cvm->id);
        json_write_text(w, "state", vm_state_name(cvm->state));
        json_write_int(w, "cpus", cvm->cpus);
        if (cvm->pid)
                json_write_int(w, "pid", cvm->pid);
        json_write_text(w, "source", usage_source_name(usage.source));
        json_write_int(w, "at", usage.at);
        for (UsageCounter i = 0; i < _USAGE_COUNTER_MAX; i++)
                if (usage.counters[i] >= 0)
                        json_write_int(w, usage_counter_name(i), usage.counters[i]);
        if (cvm->kind) {
                json_write_begin(w, "lastEvent", '{');
                json_write_int(w, "sequence", cvm->event_sequence);
                json_write_int(w, "at", cvm->event_at);
                json_write_text(w, "kind", cvm->kind);
                json_write_text(w, "newState", cvm->new_state);
                json_write_end(w, '}');
        }
        json_write_end(w, '}');
}

static void on_stats_work(Turn *turn)
{
        StatsJob *job = container_of(turn, StatsJob, turn);
        JsonWriter w = {};

        json_write_begin(&w, NULL, '[');
        for (size_t i = 0; i < job->n_cvms; i++)
                stats_write(&w, &job->cvms[i]);
        json_write_end(&w, ']');
        job->text = json_writer_take(&w);
        job->r = job->text ? 0 : -ENOMEM;
}

static void on_stats_done(Turn *turn)
{
        StatsJob *job = container_of(turn, StatsJob, turn);
        _cleanup_(cvm_error_done) CvmError error = {};

        if (job->r < 0) {
                cvm_error_system(&error, job->r, "read the statistics");
                wire_call_error(job->call, &error);
        } else {
                wire_call_reply(job->call, json_build("stats", json_new_written(job->text), NULL));
        }
        stats_job_free(job);
}

static void on_stats_gone(WireCall *call, void *userdata)
{
        StatsJob *job = userdata;

        if (turns_withdraw(&job->turn))
                stats_job_free(job);
}

/* only: the one to note; NULL: all that the caller may see. */
static int stats_take(StatsJob *job, const Manager *manager, const Vm *only)
{
        const VmTable *table = &manager->home.table;
        const WirePeer *peer = wire_call_peer(job->call);
        const Vm *vm;
        int r = 0;

        job->cvms = calloc(only ? 1 : table->n + 1, sizeof(*job->cvms));
        if (!job->cvms)
                return -ENOMEM;
        if (only)
                r = stats_note(job, only);
        else
                VM_TABLE_FOREACH (vm, table)
                        if (r == 0 && manager_may_see(manager, peer, vm->owner))
                                r = stats_note(job, vm);
        if (r == 0)
                stats_note_events(job, manager->home.events);
        return r;
}

int api_stats(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                {"name", JSON_STRING, offsetof(ApiTarget, name)},
                {"id", JSON_STRING, offsetof(ApiTarget, id)},
                {},
        };
        _cleanup_(api_target_done) ApiTarget target = {};
        const Manager *manager = userdata;
        Vm *vm = NULL;
        StatsJob *job;
        int r = api_dispatch(parameters, fields, &target, error);

        if (r == 0 && (target.name || target.id))
                r = api_find(call, &target, userdata, &vm, error);
        if (r < 0)
                return r;
        job = calloc(1, sizeof(*job));
        if (!job)
                return cvm_error_system(error, -ENOMEM, "read the statistics");
        job->call = wire_call_ref(call);
        job->r = -ECANCELED; /* if the daemon exits before the turn */
        r = stats_take(job, manager, vm);
        if (r < 0) {
                stats_job_free(job);
                return cvm_error_system(error, r, "read the statistics");
        }
        wire_call_on_gone(call, on_stats_gone, job);
        turns_take(manager->home.turns, &job->turn,
                   quota_account(manager, wire_call_peer(call)->uid), on_stats_work, on_stats_done);
        return 0;
}
