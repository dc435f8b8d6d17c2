/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/restart.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/clock.h"
#include "base/ending.h"
#include "base/json.h"
#include "base/text.h"
#include "launch/reserve.h"
#include "local/log.h"
#include "manager/manager.h"
#include "vm/charges.h"
#include "vm/record.h"

#define USEC_PER_SEC INT64_C(1000000)
/* How long an attempt waits for the ports that the CVM had before, and how often. */
#define PORT_MSEC 50
#define PORT_WAITS 20u

/* A row of restarts ends with a CVM that ran for the whole window. */
static bool was_quiet(const Vm *vm)
{
        return vm->restart.began_usec &&
               clock_boot_usec() - vm->restart.began_usec >=
                       (int64_t)vm->restart.spec.window_sec * USEC_PER_SEC;
}

typedef enum RestartVerdict {
        RESTART_NONE,     /* none is requested: the end is the last one */
        RESTART_AGAIN,    /* the policy asks for one */
        RESTART_GIVEN_UP, /* it does, but its limit of attempts in a row is reached */
        RESTART_NOW,      /* a client asks for one */
} RestartVerdict;

/* What follows an ending with this reason. */
static RestartVerdict restart_judge(const Vm *vm, const char *reason)
{
        const SpecRestart *spec = &vm->restart.spec;
        EndingRestart restart = ending_find(reason)->restart;

        if (vm_cause_is_asked_for(&vm->cause) || restart == ENDING_IS_FINAL)
                return RESTART_NONE;
        switch (spec->policy) {
        case SPEC_RESTART_NO:
                return RESTART_NONE;
        case SPEC_RESTART_ON_FAILURE:
                if (restart != ENDING_RESTARTS_ON_FAILURE)
                        return RESTART_NONE;
                break;
        case SPEC_RESTART_ALWAYS:
                break;
        }
        return spec->limit && vm->restart.in_row >= spec->limit && !was_quiet(vm) ? RESTART_GIVEN_UP
                                                                                  : RESTART_AGAIN;
}

static uint32_t next_backoff(const Vm *vm)
{
        const SpecRestart *spec = &vm->restart.spec;
        uint64_t seconds = spec->backoff_sec;

        for (uint32_t i = 0; i < vm->restart.in_row && seconds < spec->backoff_max_sec; i++)
                seconds *= 2;
        return seconds < spec->backoff_max_sec ? (uint32_t)seconds : spec->backoff_max_sec;
}

static void on_timer(uv_timer_t *timer);

/* now: a client asks for it, which begins a new row. */
static void schedule(Vm *vm, bool now)
{
        if (now || was_quiet(vm))
                vm->restart.in_row = 0;
        vm->restart.began_usec = 0;
        vm->restart.waits = 0;
        vm->restart.at = deadline_in(now ? 0 : next_backoff(vm));
        if (!now)
                vm->restart.in_row++;
        vm->restart.total++;
}

void restart_resume(Manager *manager, Vm *vm)
{
        _cleanup_(cvm_error_done) CvmError ignored = {};

        charges_drop_lost(vm);
        /* what is taken meanwhile is found out, and reported, by the launch */
        (void)reserve_again(manager, vm, NULL, NULL, &ignored);
        deadline_arm(&vm->restart.at, &vm->restart.timer, on_timer);
}

/* Makes a CVM that has ended a restarting one. */
static void restart_begin(Manager *manager, Vm *vm, bool now)
{
        schedule(vm, now);
        metrics_count_restart(&manager->home.metrics);
        vm_release_process(vm);
        vm->restart.pending = true;
        vm_set_state(vm, VM_RESTARTING);
        restart_resume(manager, vm);
}

static void note_given_up(Vm *vm)
{
        const char *detail = vm->ending.detail ?: "";
        uint32_t n = vm->restart.in_row;
        char *text;

        text = text_format("given up after %u restart%s in a row%s%s", n, n == 1 ? "" : "s",
                           *detail ? "\n" : "", detail);
        if (!text)
                return;
        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "given up after %u restart%s in a row", n,
                 n == 1 ? "" : "s");
        free(vm->ending.detail);
        vm->ending.detail = text;
}

void restart_ended(Manager *manager, Vm *vm, const DriverEnding *ending)
{
        bool requested = vm->cause.kind == ENDING_RESTART_REQUESTED;
        VmState state = vm_conclude(vm, ending);
        RestartVerdict verdict =
                requested ? RESTART_NOW : restart_judge(vm, vm->ending.reason ?: "");

        switch (verdict) {
        case RESTART_NONE:
                break;
        case RESTART_AGAIN:
        case RESTART_NOW:
                restart_begin(manager, vm, verdict == RESTART_NOW);
                return;
        case RESTART_GIVEN_UP:
                state = VM_FAILED; /* whatever the reason: no user requested this end */
                note_given_up(vm);
                break;
        }
        vm_release(vm);
        vm_set_state(vm, state);
}

static void on_ended(Vm *vm, const DriverEnding *ending, void *userdata)
{
        restart_ended(userdata, vm, ending);
}

static void on_cancel(Vm *vm, const char *reason, void *userdata)
{
        const DriverEnding ending = {.kind = ENDING_STOPPED, .log = ""};

        restart_ended(userdata, vm, &ending);
}

static const VmKeeper restart_keeper = {.ended = on_ended, .cancel = on_cancel};

void restart_keep(Manager *manager, Vm *vm)
{
        vm_entrust(vm, &restart_keeper, manager);
}

void restart_failed(Manager *manager, Vm *vm, const char *detail)
{
        const DriverEnding ending = {.kind = ENDING_RESTART_FAILED, .log = detail};

        if (manager->closing && !vm_cause_is_asked_for(&vm->cause)) {
                /* not its fault: the next daemon tries again at once */
                vm_release_process(vm);
                vm->restart.at = deadline_in(0);
                if (vm->state != VM_RESTARTING)
                        vm_set_state(vm, VM_RESTARTING);
                return;
        }
        restart_ended(manager, vm, &ending);
}

void restart_done(Vm *vm)
{
        vm->restart.pending = false;
        vm->restart.at = (Deadline){};
        vm->restart.began_usec = clock_boot_usec();
}

/* Whether each secret of the spec on record can be fetched again: a certificate by its path. What
 * came as a value or a descriptor is nowhere but in the CVM's own directory. */
static bool has_references(const CvmSpec *spec)
{
        if (spec->n_env)
                return false;
        for (size_t i = 0; i < spec->n_certs; i++)
                if (!spec->certs[i].path)
                        return false;
        return true;
}

static int pin(const Vm *vm, CvmSpec *spec)
{
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                const char *hex = vm->boot.sha256[i];

                if (!hex)
                        continue;
                if (hash_parse_sha256(hex, spec->artifacts[i].sha256) < 0)
                        return -EBADMSG;
                spec->artifacts[i].has_sha256 = true;
        }
        return 0;
}

/* The spec that it is launched from again. */
static int restart_read_spec(const Vm *vm, CvmSpec **ret, CvmError *error)
{
        _cleanup_json_ json_object *given = spec_given_again(vm->spec, vm->paths);
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        int r = given ? spec_parse(given, &spec, error)
                      : cvm_error_system(error, -ENOMEM, "read the spec on record");

        if (r == 0 && (r = pin(vm, spec)) < 0)
                cvm_error_system(error, r, "read the digests on record");
        if (r == 0)
                *ret = TAKE_PTR(spec);
        return r;
}

/* Whether its environment and certificates are still there. */
static bool restart_has_shares(const Manager *manager, const Vm *vm)
{
        return faccessat(manager->home.shares_fd, vm->id, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

/* Launches it again; what is wrong by now is another failed attempt. */
static int attempt(Manager *manager, Vm *vm, CvmError *error)
{
        const Template *template = template_set_find(manager->templates, vm->platform);
        const WirePeer owner = {.uid = vm->owner,
                                .gid = vm->owner_group,
                                .groups = vm->owner_groups,
                                .n_groups = vm->n_owner_groups};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        bool kept = restart_has_shares(manager, vm);
        int r;

        if (!template)
                return cvm_error_launch(error, "admitted", NULL,
                                        "the template '%s' no longer exists", vm->platform);
        r = restart_read_spec(vm, &spec, error);
        if (r < 0)
                return r;
        if (!kept && !has_references(spec)) {
                const DriverEnding ending = {
                        .kind = ENDING_SECRETS_GONE,
                        .log = "its environment and certificates were erased by the host's restart",
                };

                restart_ended(manager, vm, &ending);
                return 0;
        }
        manager->launch_again(manager, vm, template, TAKE_PTR(spec), &owner, kept);
        return 0;
}

/* The kernel may still be taking apart the process that had the CVM's ports and its CID. */
static bool restart_has_ports(Manager *manager, Vm *vm)
{
        _cleanup_(cvm_error_done) CvmError ignored = {};

        return reserve_again(manager, vm, NULL, NULL, &ignored) == 0;
}

static void on_timer(uv_timer_t *timer)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(vm_unrefp) Vm *vm = vm_ref(timer->data);
        Manager *manager = vm->keeper_userdata;

        if (vm->state != VM_RESTARTING || vm->keeper != &restart_keeper || manager->closing)
                return;
        if (deadline_left_usec(&vm->restart.at) > 0) {
                deadline_arm(&vm->restart.at, timer, on_timer);
                return;
        }
        if (!restart_has_ports(manager, vm) && vm->restart.waits++ < PORT_WAITS) {
                uv_timer_start(timer, on_timer, PORT_MSEC, 0);
                return;
        }
        if (attempt(manager, vm, &error) < 0) {
                _cleanup_free_ char *message = cvm_error_message(&error);

                restart_failed(manager, vm, message);
        }
}

/* A descriptor without a known path refers to nothing any more. */
static int restart_check_files(const CvmSpec *spec, CvmError *error)
{
        static const char reason[] =
                "was sent as a descriptor whose path is not known, so that the "
                "CVM cannot be restarted; stop it and launch it again";
        char field[32];

        for (size_t i = 0; i < spec->n_shares; i++)
                if (spec->shares[i].fd >= 0) {
                        snprintf(field, sizeof(field), "shares[%zu]", i);
                        return cvm_error_invalid_spec(error, field, "%s", reason);
                }
        for (size_t i = 0; i < spec->n_disks; i++)
                if (spec->disks[i].fd >= 0) {
                        snprintf(field, sizeof(field), "disks[%zu]", i);
                        return cvm_error_invalid_spec(error, field, "%s", reason);
                }
        return 0;
}

bool restart_waits(const Vm *vm)
{
        return vm->state == VM_RESTARTING && vm->keeper == &restart_keeper;
}

/* One that is stopped for good stays stopped. */
static bool restart_may_be_requested(const Vm *vm)
{
        if (vm->restart.pending)
                return !vm_cause_is_asked_for(&vm->cause);
        if (vm->state == VM_STOPPING)
                return vm->cause.kind == ENDING_RESTART_REQUESTED;
        return (vm->state == VM_RUNNING || vm->state == VM_PAUSED) && vm->process.driver;
}

int restart_check(const Manager *manager, const Vm *vm, CvmError *error)
{
        static const char *const allowed[] = {"running", "paused", "restarting", NULL};
        _cleanup_(spec_freep) CvmSpec *spec = NULL;
        int r;

        if (!restart_may_be_requested(vm))
                return cvm_error_wrong_state(error, vm->name, vm_state_name(vm->state), allowed);
        r = restart_read_spec(vm, &spec, error);
        if (r == 0 && !restart_has_shares(manager, vm) && !has_references(spec))
                r = cvm_error_secrets_gone(error, vm->name, vm->id);
        return r < 0 ? r : restart_check_files(spec, error);
}

void restart_request(Vm *vm, bool force, uint32_t powerdown_sec)
{
        if (!vm->restart.pending) {
                vm_stop(vm, ENDING_RESTART_REQUESTED, force, powerdown_sec);
        } else if (restart_waits(vm) && deadline_left_usec(&vm->restart.at) > 0) {
                vm->restart.in_row = 0;
                vm->restart.at = deadline_in(0);
                (void)record_write(vm); /* a failure is logged */
                deadline_arm(&vm->restart.at, &vm->restart.timer, on_timer);
        }
}

static void note_path(json_object *paths, const char *field, const char *path)
{
        if (path)
                json_object_object_add(paths, field, json_new_text(path));
}

static void note_paths(json_object *paths, const char *list, char *const *found, size_t n)
{
        for (size_t i = 0; found && i < n; i++) {
                char field[32];

                snprintf(field, sizeof(field), "%s[%zu]", list, i);
                note_path(paths, field, found[i]);
        }
}

void restart_note_paths(Vm *vm, const Loaded *loaded)
{
        json_object *paths = vm->paths ?: json_object_new_object();

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                note_path(paths, spec_artifact_kind_name(kind), loaded->artifact_paths[kind]);
        note_paths(paths, "shares", loaded->share_paths, loaded->n_shares);
        note_paths(paths, "disks", loaded->disk_paths, loaded->n_disks);
        vm->paths = paths;
        if (json_object_object_length(paths) == 0)
                json_object_put(TAKE_PTR(vm->paths));
}
