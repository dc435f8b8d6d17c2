/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/update.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "launch/admission.h"
#include "launch/restart.h"
#include "vm/confine.h"
#include "vm/record.h"

#define USEC_PER_SEC INT64_C(1000000)

static const char *const fields[] = {"ttlSec", "restart", "labels", "limits"};

/* What an update comes to. */
typedef struct UpdateResult {
        json_object *given; /* the CVM's spec from then on; owned */
        CvmSpec *spec;      /* the same, parsed; owned */
        json_object *names; /* of the fields that differ from what the CVM has; owned */
} UpdateResult;

static void update_result_done(UpdateResult *result)
{
        json_object_put(result->given);
        spec_free(result->spec);
        json_object_put(result->names);
        *result = (UpdateResult){};
}

/* value: taken; NULL removes the member. */
static void update_set(json_object *object, const char *key, json_object *value)
{
        if (value)
                json_object_object_add(object, key, value);
        else
                json_object_object_del(object, key);
}

/* An object with the same members, which both refer to. NULL: an empty one. */
static json_object *update_copy(json_object *object)
{
        json_object *copy = json_object_new_object();

        if (!object)
                return copy;
        json_object_object_foreach (object, key, value)
                json_object_object_add(copy, key, json_object_get(value));
        return copy;
}

static json_object *update_number(uint32_t number)
{
        return number ? json_object_new_int64(number) : NULL;
}

static void update_merge_limits(json_object *given, const UpdateChanges *changes)
{
        const char *high = changes->memory_high;
        json_object *limits = update_copy(json_member(given, "limits"));

        if (changes->cpu_weight != UPDATE_KEEPS)
                update_set(limits, "cpuWeight", update_number(changes->cpu_weight));
        if (high)
                update_set(limits, "memoryHigh",
                           strcmp(high, "0") == 0 ? NULL : json_new_text(high));
        if (json_object_object_length(limits) == 0)
                json_object_put(TAKE_PTR(limits));
        update_set(given, "limits", limits);
}

/* The spec as the changes want it, not checked yet. */
static json_object *update_merge(const Vm *vm, const UpdateChanges *changes)
{
        json_object *given = update_copy(vm->spec), *labels = changes->labels;

        if (changes->ttl_sec != UPDATE_KEEPS)
                update_set(given, "ttlSec", update_number(changes->ttl_sec));
        if (changes->restart)
                update_set(given, "restart", json_object_get(changes->restart));
        if (labels)
                update_set(given, "labels",
                           json_object_object_length(labels) ? json_object_get(labels) : NULL);
        update_merge_limits(given, changes);
        return given;
}

/* Whether a field means the same in both specs, however it is written: "1G" is "1024M", and a
 * default that is given is the same as one that is left out. */
static bool update_is_same(const char *field, const CvmSpec *a, const CvmSpec *b)
{
        if (strcmp(field, "ttlSec") == 0)
                return a->ttl_sec == b->ttl_sec;
        if (strcmp(field, "restart") == 0)
                return spec_restart_equal(&a->restart, &b->restart);
        if (strcmp(field, "limits") == 0)
                return spec_limits_equal(&a->limits, &b->limits);
        return json_object_equal(a->labels, b->labels);
}

/* In which fields the parsed spec differs from the CVM; they are as a launch would keep them. */
static int update_compare(const Vm *vm, UpdateResult *result, CvmError *error)
{
        _cleanup_json_ json_object *given_before = update_copy(vm->spec);
        _cleanup_(spec_freep) CvmSpec *before = NULL;
        int r = spec_parse(given_before, &before, error);

        if (r < 0)
                return r;
        result->names = json_object_new_array();
        for (size_t i = 0; i < ARRAY_SIZE(fields); i++) {
                bool same = update_is_same(fields[i], before, result->spec);
                json_object *given = same ? given_before : result->spec->given;

                update_set(result->given, fields[i],
                           json_object_get(json_member(given, fields[i])));
                if (!same)
                        json_object_array_add(result->names, json_object_new_string(fields[i]));
        }
        return 0;
}

static bool update_has(const UpdateResult *result, const char *field)
{
        for (size_t i = 0; i < json_object_array_length(result->names); i++)
                if (strcmp(json_object_get_string(json_object_array_get_idx(result->names, i)),
                           field) == 0)
                        return true;
        return false;
}

/* How long ago its time to live began. */
static int64_t update_age_usec(const Vm *vm)
{
        int64_t ttl_sec = json_member_int(vm->spec, "ttlSec", 0);
        int64_t age = deadline_is_set(&vm->expires) && ttl_sec
                              ? ttl_sec * USEC_PER_SEC - (vm->expires.boot_usec - clock_boot_usec())
                              : clock_now_usec() - vm->created_at;

        return age > 0 ? age : 0;
}

static int update_check_ttl(const Vm *vm, const UpdateResult *result, CvmError *error)
{
        int64_t age = update_age_usec(vm);

        if (!update_has(result, "ttlSec") || !result->spec->ttl_sec ||
            result->spec->ttl_sec * USEC_PER_SEC > age)
                return 0;
        return cvm_error_invalid_spec(error, "ttlSec",
                                      "must be more than %" PRId64 ", the seconds since the CVM's "
                                      "launch; stop the CVM, or give it more time",
                                      age / USEC_PER_SEC);
}

/* The result of the changes to the CVM as it is now. */
static int update_resolve(const Vm *vm, const UpdateChanges *changes, UpdateResult *ret,
                          CvmError *error)
{
        static const char *const allowed[] = {"running", "paused", "restarting", NULL};
        _cleanup_(update_result_done) UpdateResult result = {};
        int r;

        if (vm->state != VM_RUNNING && vm->state != VM_PAUSED && !restart_waits(vm))
                return cvm_error_wrong_state(error, vm->name, vm_state_name(vm->state), allowed);
        result.given = update_merge(vm, changes);
        r = spec_parse(result.given, &result.spec, error);
        if (r < 0)
                return r;
        r = update_compare(vm, &result, error);
        if (r == 0)
                r = spec_check_limits(result.spec, vm->memory, error);
        if (r == 0)
                r = update_check_ttl(vm, &result, error);
        if (r < 0)
                return r;
        *ret = result;
        result = (UpdateResult){};
        return 0;
}

/* Returns what vm_update() does. */
static int update_commit(Vm *vm, UpdateResult *result, CvmError *error)
{
        int64_t left = result->spec->ttl_sec * USEC_PER_SEC - update_age_usec(vm);
        Deadline expires = result->spec->ttl_sec ? deadline_in_usec(left) : (Deadline){};

        if (json_object_array_length(result->names) == 0)
                return 0;
        if (!update_has(result, "ttlSec"))
                expires = vm->expires;
        return vm_update(vm, result->spec, TAKE_PTR(result->given), expires,
                         TAKE_PTR(result->names), error);
}

/* Of which the limits change: systemd is being asked. */
typedef struct Update {
        Vm *vm; /* a reference */
        UpdateChanges changes;
        char *unit; /* that is changed; owned */
        ScopeSet *set;
        EventsFollower daemon; /* for its end */
        UpdateDone done;
        void *userdata;
} Update;

static void update_free(Update *update)
{
        free(update->unit);
        free(update->changes.memory_high);
        json_object_put(update->changes.restart);
        json_object_put(update->changes.labels);
        free(update);
}

/* Answers, and frees. error: set if nothing was changed. */
static void update_finish(Update *update, CvmError *error)
{
        events_unfollow(&update->daemon);
        update->done(update->vm, cvm_error_is_set(error) ? error : NULL, update->userdata);
        vm_unref(update->vm);
        update_free(update);
}

/* Whether the process that was given other limits is still there. */
static bool update_is_current(const Update *update)
{
        const Vm *vm = update->vm;

        return !vm->removed && vm->process.scope && strcmp(vm->process.scope, update->unit) == 0;
}

static int update_conclude(Update *update, int r, const char *reason, CvmError *error)
{
        static const char *const allowed[] = {"running", "paused", "restarting", NULL};
        _cleanup_(update_result_done) UpdateResult result = {};
        Vm *vm = update->vm;

        if (!update_is_current(update))
                return cvm_error_wrong_state(error, vm->name, vm_state_name(vm->state), allowed);
        if (r < 0)
                return cvm_error_host(
                        error, "scopes", reason ?: strerror(-r),
                        "a service manager that changes the limits of the CVM's scope", NULL);
        r = update_resolve(vm, &update->changes, &result, error);
        return r < 0 ? r : update_commit(vm, &result, error);
}

static void on_limits_set(int r, const char *reason, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Update *update = userdata;
        Vm *vm = update->vm;
        bool is_current = update_is_current(update);

        vm->limits_in_doubt--;
        r = update_conclude(update, r, reason, &error);
        if (r < 0 && is_current) {
                confine_restore_limits(vm);
        }
        update_finish(update, &error);
}

/* The next daemon restores the limits. */
static void on_daemon_ends(void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Update *update = userdata;

        scope_set_cancel(update->set);
        cvm_error_system(&error, -ECANCELED, "change the CVM's limits while the daemon exits");
        update_finish(update, &error);
}

/* Takes nothing. The record is written before systemd is asked. */
static int update_ask(Update *update, const SpecLimits *limits, CvmError *error)
{
        Vm *vm = update->vm;
        int r;

        vm->limits_in_doubt++;
        r = record_write(vm);
        if (r < 0)
                record_write_error(vm, r, error);
        else
                r = confine_limit(vm, limits, on_limits_set, update, &update->set, error);
        if (r < 0)
                vm->limits_in_doubt--;
        return r;
}

/* What is needed once systemd has answered. The objects of the call are gone by then, and their
 * texts are wiped. */
static int update_keep_changes(Update *update, const UpdateChanges *changes, const char *unit)
{
        update->changes = *changes;
        update->changes.memory_high = NULL;
        update->changes.restart = update->changes.labels = NULL;
        if (changes->memory_high && !(update->changes.memory_high = strdup(changes->memory_high)))
                return -ENOMEM;
        if (changes->restart &&
            json_object_deep_copy(changes->restart, &update->changes.restart, NULL) < 0)
                return -ENOMEM;
        if (changes->labels &&
            json_object_deep_copy(changes->labels, &update->changes.labels, NULL) < 0)
                return -ENOMEM;
        if (unit && !(update->unit = strdup(unit)))
                return -ENOMEM;
        return 0;
}

static int update_set_limits(Vm *vm, const UpdateChanges *changes, const SpecLimits *limits,
                             UpdateDone done, void *userdata, CvmError *error)
{
        Update *update;
        int r;

        /* Both limits are set at a time, so a second change would undo the first. */
        if (vm->limits_in_doubt)
                return cvm_error_invalid_parameter(
                        error, changes->cpu_weight != UPDATE_KEEPS ? "cpuWeight" : "memoryHigh",
                        "must wait until another change of this CVM's limits is done; try again");
        update = calloc(1, sizeof(*update));
        if (!update)
                return cvm_error_system(error, -ENOMEM, "update");
        *update = (Update){
                .vm = vm,
                .daemon = {.end = on_daemon_ends, .userdata = update},
                .done = done,
                .userdata = userdata,
        };
        r = update_keep_changes(update, changes, vm->process.scope);
        if (r < 0)
                cvm_error_system(error, r, "update");
        else
                r = update_ask(update, limits, error);
        if (r < 0) {
                update_free(update);
                return r;
        }
        vm_ref(vm);
        events_follow(vm->home->events, &update->daemon);
        return 0;
}

/* Whether this peer may set such limits on this CVM. */
static int update_check_limits(const Manager *manager, const Vm *vm, const UpdateChanges *changes,
                               const CvmSpec *spec, const WirePeer *peer, CvmError *error)
{
        if (vm->ops->traits.elsewhere)
                return cvm_error_invalid_spec(error,
                                              changes->cpu_weight != UPDATE_KEEPS
                                                      ? "limits.cpuWeight"
                                                      : "limits.memoryHigh",
                                              "driver '%s' does not support limits", vm->ops->name);
        if (changes->cpu_weight != UPDATE_KEEPS) {
                int r = admission_check_weight(manager, spec, peer, error);

                if (r < 0)
                        return r;
        }
        return confine_check(vm, spec, error);
}

int update_begin(Manager *manager, Vm *vm, const UpdateChanges *changes, const WirePeer *peer,
                 UpdateDone done, void *userdata, CvmError *error)
{
        _cleanup_(update_result_done) UpdateResult result = {};
        int r = update_resolve(vm, changes, &result, error);

        if (r == 0 && update_has(&result, "limits")) {
                r = update_check_limits(manager, vm, changes, result.spec, peer, error);
                if (r == 0 && !restart_waits(vm))
                        return update_set_limits(vm, changes, &result.spec->limits, done, userdata,
                                                 error);
        }
        if (r == 0)
                r = update_commit(vm, &result, error);
        if (r == 0)
                done(vm, NULL, userdata);
        return r;
}
