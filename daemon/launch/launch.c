/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch_internal.h"

#include <string.h>

#include "base/fail_point.h"
#include "base/json.h"
#include "launch/admission.h"
#include "launch/quota.h"
#include "launch/reserve.h"
#include "launch/restart.h"
#include "local/log.h"
#include "manager/manager.h"
#include "vm/record.h"
#include "vm/shares.h"

#define WORKER_LATE_MSEC 2000 /* how long a failure waits for the worker before it is reported */
#define PORT_TRIES 5          /* starts of QEMU before a port that others keep taking is given up */

static const VmKeeper launch_keeper;
static void launch_run(Launch *launch);
static void launch_start(Launch *launch);
static void start_hypervisor(Launch *launch);

static void launch_unref(Launch *launch)
{
        if (--launch->n_ref > 0)
                return;
        loaded_done(&launch->loaded);
        prepared_inputs_done(&launch->prepared);
        allotment_done(&launch->allotment);
        launch_plan_free(launch->plan);
        spec_free(launch->spec);
        closep(&launch->shares.env_fd);
        closep(&launch->shares.certs_fd);
        tap_close(&launch->tap);
        cvm_error_done(&launch->error);
        free(launch->reason);
        wire_peer_done(&launch->owner);
        vm_unref(launch->vm);
        free(launch);
}

static void on_timer_closed(uv_handle_t *handle)
{
        launch_unref(handle->data);
}

/* The call is answered: lets go of everything. */
static void launch_done(Launch *launch)
{
        launch->done = true;
        LIST_REMOVE(launch, of_manager);
        launch_end_turn(launch);
        if (launch->vm->keeper == &launch_keeper)
                restart_keep(launch->manager, launch->vm);
        vm_unwatch(&launch->watch);
        wire_call_unref(TAKE_PTR(launch->call));
        uv_close((uv_handle_t *)&launch->start_timer, on_timer_closed);
        uv_close((uv_handle_t *)&launch->total_timer, on_timer_closed);
}

static void launch_succeed(Launch *launch)
{
        fail_point("launch: to be answered");
        if (launch->call)
                record_reply(launch->vm, launch->call,
                             json_build("cvm", vm_to_json(launch->vm), NULL));
        launch_done(launch);
}

/* Takes back an admitted CVM of which nothing runs. */
static void abandon(Manager *manager, Vm *vm, const char *reason)
{
        vm_set_ending(vm, "launch-failed", reason, NULL);
        vm_release(vm);
        vm_set_state(vm, VM_FAILED);
        manager_remove(manager, vm);
}

/* Once nothing of the launch runs any more: undoes what is left, and answers. */
static void launch_unwind(Launch *launch)
{
        _cleanup_(vm_unrefp) Vm *vm = vm_ref(launch->vm);
        _cleanup_free_ char *reason = NULL;

        if (launch->loading || vm->process.driver)
                return;
        vm_unwatch(&launch->watch);
        if (launch->again) {
                reason = TAKE_PTR(launch->reason);
                launch_done(launch);
                if (!vm->removed)
                        restart_failed(launch->manager, vm, reason);
                return;
        }
        if (!vm->removed)
                abandon(launch->manager, vm, launch->reason);
        wire_call_error(launch->call, &launch->error);
        launch_done(launch);
}

/* A file that the worker reads does not answer. What is loaded, if anything, is discarded then. */
static void on_worker_late(uv_timer_t *timer)
{
        Launch *launch = timer->data;

        launch->loading = false;
        launch_unwind(launch);
}

static void drop_scope(Launch *launch)
{
        if (launch->scope)
                scope_start_cancel(TAKE_PTR(launch->scope));
        commit_wait_cancel(&launch->recorded);
}

static void withdraw_load(Launch *launch)
{
        if (!launch->load || !load_withdraw(launch->load))
                return;
        launch->load = NULL;
        launch->loading = false;
        launch_unref(launch);
}

/* launch->error is set. */
static void launch_fail(Launch *launch)
{
        Vm *vm = launch->vm;

        if (launch->failed)
                return;
        launch->failed = true;
        vm_entrust(vm, &launch_keeper, launch);
        drop_scope(launch);
        withdraw_load(launch);
        log_failure(LOG_LEVEL_WARNING, vm->name, vm->id, "launch failed", &launch->error);
        uv_timer_stop(&launch->start_timer);
        uv_timer_stop(&launch->total_timer);
        launch->reason = cvm_error_message(&launch->error);
        if (vm->process.driver)
                vm->ops->kill(vm->process.driver); /* on_ended() continues */
        if (launch->loading)
                uv_timer_start(&launch->total_timer, on_worker_late, WORKER_LATE_MSEC, 0);
        launch_unwind(launch);
}

static void launch_cancel(Launch *launch, const char *reason)
{
        if (launch->failed)
                return;
        cvm_error_launch(&launch->error, launch_stage_doing(launch->stage), NULL, "%s", reason);
        launch_fail(launch);
}

static void on_caller_gone(WireCall *call, void *userdata)
{
        launch_cancel(userdata, "the caller disconnected");
}

static void on_timeout(uv_timer_t *timer)
{
        Launch *launch = timer->data;

        cvm_error_timeout(&launch->error, launch_stage_doing(launch->stage),
                          (int64_t)(uv_now(timer->loop) - launch->begun));
        launch_fail(launch);
}

/* While the launch waits for READY the CVM may end, be stopped, or be removed by others; at any
 * time the daemon may go. */
static void on_vm_changed(Vm *vm, void *userdata)
{
        Launch *launch = userdata;

        if (vm->removed) {
                /* The process's end is no longer reported: it, or its record, belongs to the next
                 * daemon. */
                if (!launch->failed)
                        launch_cancel(launch, "the daemon is shutting down");
                else
                        launch_unwind(launch);
        } else if (launch->failed || launch->stage < LAUNCH_RUNNING) {
                return;
        } else if (vm->guest.ready) {
                launch_enter(launch, LAUNCH_READY);
                launch_succeed(launch);
        } else if (!vm_state_is_live(vm->state) || vm->state == VM_RESTARTING) {
                /* It has ended by itself and is kept with its reason, or restarted; only the call
                 * has failed. */
                cvm_error_launch(&launch->error, launch_stage_doing(LAUNCH_READY),
                                 vm->ending.detail, "the CVM ended before it was ready: %s",
                                 vm->ending.reason);
                wire_call_error(launch->call, &launch->error);
                launch_done(launch);
        }
}

static void on_resumed(int r, const char *error, void *userdata)
{
        Launch *launch = userdata;

        /* on_ended() reports a QEMU that has gone, with the reason */
        if (launch->done || launch->failed || r == -ECONNRESET) {
                launch_unref(launch);
                return;
        }
        if (r < 0) {
                cvm_error_launch(&launch->error, launch_stage_doing(LAUNCH_STARTING), NULL,
                                 "QEMU did not start the guest: %s", error);
                launch_fail(launch);
        } else {
                launch_run(launch);
        }
        launch_unref(launch);
}

/* The guest runs, or is held as asked. */
static void launch_run(Launch *launch)
{
        Vm *vm = launch->vm;

        uv_timer_stop(&launch->start_timer);
        launch_end_turn(launch);
        vm_clear_ending(vm);
        restart_done(vm);
        restart_keep(launch->manager, vm);
        /* READY may have come before the answer to cont: on_vm_changed() looks from the stage on */
        vm_set_state(vm, launch->options.paused ? VM_PAUSED : VM_RUNNING);
        launch_enter(launch, LAUNCH_RUNNING);
        if (!launch->options.paused)
                vm_arm_ready_timer(vm);
        host_access_remark(launch->manager, vm);
        if (!launch->options.wait_ready || vm->guest.ready) {
                if (launch->options.wait_ready)
                        launch_enter(launch, LAUNCH_READY);
                launch_succeed(launch);
                return;
        }
        if (!launch->options.timeout_sec)
                uv_timer_start(&launch->total_timer, on_timeout, (uint64_t)vm->ready_sec * 1000, 0);
}

static void on_created(Vm *vm, void *userdata)
{
        Launch *launch = userdata;
        int r;

        if (launch->failed)
                return;
        if (launch->options.paused) {
                launch_run(launch);
                return;
        }
        r = vm->ops->resume(vm->process.driver, on_resumed, launch);
        if (r == 0) {
                launch->n_ref++;
        } else if (r != -ECONNRESET) { /* that one has gone: on_ended() reports it */
                cvm_error_system(&launch->error, r, "start the guest");
                launch_fail(launch);
        }
}

static void try_other_ports(Launch *launch)
{
        const Template *template = launch->allotment.template;
        Vm *vm = launch->vm;

        log_emit(LOG_LEVEL_INFO, vm->name, vm->id,
                 "a port was taken by another program; trying another port");
        if (reserve_other_ports(launch->manager, vm, launch->spec, &launch->owner, &launch->error) <
            0) {
                launch_fail(launch);
                return;
        }
        allotment_done(&launch->allotment);
        admission_allot(launch->manager, vm, template, launch->spec, &launch->allotment);
        launch_start(launch);
}

/* One that lost a port tries again, any other has failed. */
static void on_ended(Vm *vm, const DriverEnding *ending, void *userdata)
{
        Launch *launch = userdata;

        if (!launch->failed && launch_lost_a_port(launch, ending->log) &&
            ++launch->tries < PORT_TRIES) {
                try_other_ports(launch);
                return;
        }
        if (!launch->failed) {
                launch_describe_end(launch, ending);
                launch_fail(launch);
                return;
        }
        launch_unwind(launch);
}

static void on_start_recorded(CommitWait *wait, int r)
{
        Launch *launch = container_of(wait, Launch, recorded);
        Vm *vm = launch->vm;

        if (r < 0) {
                record_write_error(vm, r, &launch->error);
                launch_fail(launch);
                return;
        }
        vm->ops->go(vm->process.driver);
        uv_timer_start(&launch->start_timer, on_timeout, (uint64_t)vm->start_sec * 1000, 0);
}

/* Nothing runs before its record is on the disk. */
static void launch_await_record(Launch *launch)
{
        int r = record_wait(launch->vm, &launch->recorded, on_start_recorded);

        uv_timer_start(&launch->start_timer, on_timeout, (uint64_t)launch->vm->start_sec * 1000, 0);
        if (r <= 0)
                on_start_recorded(&launch->recorded, r);
}

static void on_scope(int r, const char *reason, void *userdata)
{
        Launch *launch = userdata;

        launch->scope = NULL;
        if (r < 0 && confine_failed(launch->vm, launch->spec, r, reason, &launch->error) < 0)
                launch_fail(launch);
        else
                launch_await_record(launch);
}

static void launch_confine(Launch *launch)
{
        int r = confine_begin(launch->vm, launch->spec, launch->plan, on_scope, launch,
                              &launch->scope);

        if (r != 0)
                on_scope(r < 0 ? r : 0, NULL, launch);
}

/* Puts what was started, and is held, on record. */
static int record_start(Launch *launch)
{
        Vm *vm = launch->vm;
        int r = vm->state == VM_STARTING ? record_write(vm) : vm_set_state(vm, VM_STARTING);

        return r < 0 ? record_write_error(vm, r, &launch->error) : 0;
}

static int start_companions(Launch *launch)
{
        Vm *vm = launch->vm;
        const CompanionsStart start = {
                .plan = launch->plan,
                .uid = vm->reserved.uid,
                .gid = vm_gid(vm),
                .runtime_dirfd = vm->process.runtime_dirfd,
                .connects = vm->ops->traits.by_path,
                .socket_sec = vm->start_sec,
        };
        int r;

        vm_process_end_companions(&vm->process); /* of a start before this one */
        if (launch->plan->n_companions == 0)
                return 0;
        r = handover_companions(vm, &launch->error);
        if (r < 0)
                return r;
        r = vm_process_start_companions(&vm->process, vm->home->loop, &start,
                                        &vm_companion_callbacks, vm, &launch->error);
        if (r == 0)
                r = record_start(launch);
        if (r == 0 && companions_go(vm->process.companions) < 0)
                r = cvm_error_launch(&launch->error, launch_stage_doing(launch->stage), NULL,
                                     "a companion's process is gone");
        return r;
}

/* Whatever runs is held until its process is on record, the hypervisor until it is in its scope,
 * too; then it may run. The hypervisor comes once its companions are there. */
static void launch_start(Launch *launch)
{
        int r;

        commit_wait_cancel(&launch->recorded); /* of a start before this one */
        r = launch_render(launch);
        if (r == 0)
                r = start_companions(launch);
        if (r < 0)
                launch_fail(launch);
        else if (!launch->vm->process.companions)
                start_hypervisor(launch);
}

static void on_companions_ready(Vm *vm, void *userdata)
{
        Launch *launch = userdata;

        if (!launch->failed)
                start_hypervisor(launch);
}

static void on_companion_failed(Vm *vm, const char *reason, const char *log, void *userdata)
{
        Launch *launch = userdata;

        if (launch->failed)
                return;
        if (!launch->vm->process.driver && launch_lost_a_port(launch, log) &&
            ++launch->tries < PORT_TRIES) {
                try_other_ports(launch);
                return;
        }
        cvm_error_launch(&launch->error, launch_stage_doing(launch->stage), log, "%s", reason);
        launch_fail(launch);
}

static void start_hypervisor(Launch *launch)
{
        Vm *vm = launch->vm;
        int r;

        r = launch_start_driver(launch);
        companions_release_fds(vm->process.companions);
        if (r == 0)
                r = confine_name(vm, launch->spec, &launch->error);
        if (r == 0)
                r = record_start(launch);
        if (r < 0)
                launch_fail(launch);
        else
                launch_confine(launch);
}

static void on_cancel(Vm *vm, const char *reason, void *userdata)
{
        launch_cancel(userdata, reason);
}

static const VmKeeper launch_keeper = {
        .created = on_created,
        .companions_ready = on_companions_ready,
        .ended = on_ended,
        .companion_failed = on_companion_failed,
        .cancel = on_cancel,
};

static void on_turn(uv_timer_t *timer)
{
        Launch *launch = timer->data;

        if (launch_prepare(launch) < 0)
                launch_fail(launch);
        else
                launch_start(launch);
}

static void on_loaded(Loaded *loaded, void *userdata)
{
        Launch *launch = userdata;
        bool late = !launch->loading;

        launch->loading = false;
        launch->load = NULL;
        launch_unref(launch);
        if (late)
                return;
        if (launch->failed) {
                launch_unwind(launch);
                return;
        }
        launch->loaded = TAKE_STRUCT(*loaded);
        restart_note_paths(launch->vm, &launch->loaded);
        launch_enter(launch, LAUNCH_ARTIFACTS);
        if (launch_take_turn(launch, on_turn))
                on_turn(&launch->start_timer);
}

/* Takes spec, also on failure; the owner is copied. */
static Launch *launch_new(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec,
                          const WirePeer *owner)
{
        Launch *launch = calloc(1, sizeof(*launch));

        if (!launch || wire_peer_copy(owner, &launch->owner) < 0) {
                free(launch);
                spec_free(spec);
                return NULL;
        }
        launch->manager = manager;
        launch->vm = vm_ref(vm);
        launch->spec = spec;
        admission_allot(manager, vm, template, spec, &launch->allotment);
        launch->begun = uv_now(vm->home->loop);
        launch->shares = (Shares){-1, -1};
        launch->tap = (Tap){-1, -1};
        launch->watch = (VmWatch){.changed = on_vm_changed, .userdata = launch};
        uv_timer_init(vm->home->loop, &launch->start_timer);
        uv_timer_init(vm->home->loop, &launch->total_timer);
        launch->start_timer.data = launch->total_timer.data = launch;
        launch->n_ref = 2;
        LIST_INSERT_HEAD(&launch->manager->launches, launch, of_manager);
        vm_entrust(vm, &launch_keeper, launch);
        vm_watch(vm, &launch->watch);
        return launch;
}

static void launch_load(Launch *launch)
{
        Vm *vm = launch->vm;
        const IdMap map = {vm->owner, vm->reserved.uid, vm->owner_group, vm->reserved.uid};
        LoadSource source = {
                .turns = launch->manager->turns,
                .store = launch->manager->artifacts,
                .allotment = &launch->allotment,
                .config = vm->home->config,
                .qemus = launch->manager->qemus,
                .driver = vm_driver_home(vm),
                .files = vm_files(vm),
                .map = vm->reserved.uid ? &map : NULL,
                .artifacts = launch->again ? vm->boot.artifacts : NULL,
                .without_certs = launch->kept_shares,
        };

        quota_bound_load(launch->manager, &launch->owner, &source);
        source.account = vm->account;
        launch_enter(launch, LAUNCH_ADMITTED);
        if (load_begin(&source, launch->spec, &launch->owner, launch->call, on_loaded, launch,
                       &launch->load, &launch->error) < 0) {
                launch_fail(launch);
                return;
        }
        launch->loading = true;
        launch->n_ref++;
}

void launch_begin(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec, WireCall *call,
                  const LaunchOptions *options)
{
        Launch *launch = launch_new(manager, vm, template, spec, wire_call_peer(call));

        if (!launch) {
                _cleanup_(cvm_error_done) CvmError error = {};

                cvm_error_system(&error, -ENOMEM, "launch");
                abandon(manager, vm, NULL);
                wire_call_error(call, &error);
                return;
        }
        launch->call = wire_call_ref(call);
        launch->options = *options;
        wire_call_on_gone(call, on_caller_gone, launch);
        if (options->timeout_sec)
                uv_timer_start(&launch->total_timer, on_timeout,
                               (uint64_t)options->timeout_sec * 1000, 0);
        launch_load(launch);
}

void launch_again(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec,
                  const WirePeer *owner, bool kept_shares)
{
        Launch *launch = launch_new(manager, vm, template, spec, owner);

        if (!launch) {
                restart_failed(manager, vm, "no memory");
                return;
        }
        launch->again = true;
        launch->kept_shares = kept_shares;
        vm_guest_forget(&vm->guest);
        vm->killed = false;
        vm->stop_step = VM_STOP_NONE;
        launch_load(launch);
}

void launches_cancel(Manager *manager, const char *reason)
{
        for (Launch *launch = LIST_FIRST(&manager->launches); launch;)
                if (launch->failed) {
                        launch = LIST_NEXT(launch, of_manager);
                } else {
                        launch_cancel(launch, reason);
                        launch = LIST_FIRST(&manager->launches); /* it may be gone, and others */
                }
}

bool launches_are_pending(const Manager *manager)
{
        return !LIST_EMPTY(&manager->launches);
}
