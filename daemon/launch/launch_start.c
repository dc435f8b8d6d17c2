/* SPDX-License-Identifier: Apache-2.0 */

/*
 * Steps of a launch that start processes. Whatever is started waits at its gate until its process
 * is on record, and the hypervisor until it is in its scope and the record is on the disk, too.
 */

#include <string.h>

#include "base/fail_point.h"
#include "launch/admission.h"
#include "launch/launch_internal.h"
#include "launch/reserve.h"
#include "local/log.h"
#include "manager/manager.h"
#include "vm/record.h"
#include "vm/vm_logs.h"

#define PORT_TRIES 5 /* starts of QEMU before a port that others keep taking is given up */

/* Puts what was started, and waits at its gate, on record. */
static int launch_record_start(Launch *launch)
{
        Vm *vm = launch->vm;
        int r = vm->state == VM_STARTING ? record_write(vm) : vm_set_state(vm, VM_STARTING);

        return r < 0 ? record_write_error(vm, r, &launch->error) : 0;
}

int launch_start_companions(Launch *launch)
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

        if (launch->plan->n_companions == 0)
                return LAUNCH_STEP_SKIPPED;
        r = handover_companions(vm, &launch->error);
        if (r == 0)
                r = vm_process_start_companions(&vm->process, vm->home->loop, &start,
                                                &vm_companion_callbacks, vm, &launch->error);
        if (r == 0)
                r = launch_record_start(launch);
        if (r == 0 && companions_go(vm->process.companions) < 0)
                r = cvm_error_launch(&launch->error, launch_current(launch)->stage, NULL,
                                     "a companion's process is gone");
        return r < 0 ? r : LAUNCH_STEP_WAITS; /* for on_companions_ready() */
}

bool launch_end_companions(Launch *launch)
{
        vm_process_end_companions(&launch->vm->process);
        return true;
}

int launch_start_hypervisor(Launch *launch)
{
        Vm *vm = launch->vm;
        const Handover handover = {
                .spec = launch->spec,
                .plan = launch->plan,
                .loaded = &launch->loaded,
                .shares = &launch->shares,
                .tap = launch->tap,
        };
        int r = handover_start(vm, &handover, &launch->error);

        companions_release_fds(vm->process.companions);
        if (r == 0)
                r = confine_name(vm, launch->spec, &launch->error);
        if (r == 0)
                r = launch_record_start(launch);
        return r < 0 ? r : LAUNCH_STEP_DONE;
}

bool launch_end_hypervisor(Launch *launch)
{
        Vm *vm = launch->vm;

        if (vm->process.driver) {
                vm->ops->kill(vm->process.driver); /* on_ended() continues */
                return false;
        }
        if (!vm->removed)
                confine_end(vm);
        return true;
}

static void on_scope(int r, const char *reason, void *userdata)
{
        Launch *launch = userdata;

        launch->scope = NULL;
        if (r < 0 && confine_failed(launch->vm, launch->spec, r, reason, &launch->error) < 0)
                launch_fail(launch);
        else
                launch_advance(launch);
}

int launch_enter_scope(Launch *launch)
{
        int r = confine_begin(launch->vm, launch->spec, launch->plan, on_scope, launch,
                              &launch->scope);

        if (r == 0)
                return LAUNCH_STEP_WAITS;
        if (r < 0)
                r = confine_failed(launch->vm, launch->spec, r, NULL, &launch->error);
        return r < 0 ? r : LAUNCH_STEP_SKIPPED;
}

bool launch_ask_no_scope(Launch *launch)
{
        if (launch->scope)
                scope_start_cancel(TAKE_PTR(launch->scope));
        return true;
}

static void launch_start_timer(Launch *launch)
{
        uv_timer_start(&launch->start_timer, launch_on_timeout,
                       (uint64_t)launch->vm->start_sec * 1000, 0);
}

bool launch_stop_start_timer(Launch *launch)
{
        uv_timer_stop(&launch->start_timer);
        return true;
}

static void on_start_recorded(CommitWait *wait, int r)
{
        Launch *launch = container_of(wait, Launch, recorded);

        if (r < 0) {
                record_write_error(launch->vm, r, &launch->error);
                launch_fail(launch);
                return;
        }
        launch_advance(launch);
}

int launch_await_record(Launch *launch)
{
        int r = record_wait(launch->vm, &launch->recorded, on_start_recorded);

        if (r < 0)
                return record_write_error(launch->vm, r, &launch->error);
        if (r == 0)
                return LAUNCH_STEP_DONE;
        launch_start_timer(launch);
        return LAUNCH_STEP_WAITS;
}

bool launch_await_no_record(Launch *launch)
{
        commit_wait_cancel(&launch->recorded);
        return launch_stop_start_timer(launch);
}

/* From now on the CVM is kept if the launch fails, also where it fails while other ports are tried:
 * the one that it replaces is removed, with its logs. */
static void launch_replace(Launch *launch)
{
        Vm *vm = launch->vm, *old = TAKE_PTR(launch->replaced);
        bool failed_before = vm->kept && vm->ending.reason;

        if (!launch->again && vm->remove == SPEC_REMOVE_NEVER)
                vm->kept = true;
        if (old) {
                manager_remove(launch->manager, old);
                vm_unref(old);
        }
        if (failed_before) { /* at its first try: the failure of the launch before this one */
                vm_clear_ending(vm);
                vm_logs_clear(vm);
        }
}

int launch_open_gate(Launch *launch)
{
        Vm *vm = launch->vm;

        launch_replace(launch);
        vm->ops->go(vm->process.driver);
        launch_start_timer(launch);
        return LAUNCH_STEP_WAITS; /* for on_created() */
}

/* Another program took a port that the daemon had chosen: starts the processes again. */
static void launch_try_other_ports(Launch *launch)
{
        Vm *vm = launch->vm;

        log_emit(LOG_LEVEL_INFO, vm->name, vm->id,
                 "a port was taken by another program; trying another port");
        launch_retreat(launch, LAUNCH_COMPANIONS);
        if (reserve_other_ports(launch->manager, vm, launch->spec, &launch->owner, &launch->error) <
            0) {
                launch_fail(launch);
                return;
        }
        allotment_done(&launch->allotment);
        admission_allot(launch->manager, vm, launch->template, launch->spec, &launch->allotment);
        if (launch_make_plan(launch) < 0)
                launch_fail(launch);
        else
                launch_begin_step(launch, LAUNCH_COMPANIONS);
}

static bool launch_may_try_again(Launch *launch, const char *log)
{
        return launch_lost_a_port(launch, log) && ++launch->tries < PORT_TRIES;
}

static void on_companions_ready(Vm *vm, void *userdata)
{
        Launch *launch = userdata;

        if (!launch->failed && launch_is_at(launch, LAUNCH_COMPANIONS))
                launch_advance(launch);
}

static void on_companion_failed(Vm *vm, const char *reason, const char *log, void *userdata)
{
        Launch *launch = userdata;

        if (launch->failed)
                return;
        if (!vm->process.driver && launch_may_try_again(launch, log)) {
                launch_try_other_ports(launch);
                return;
        }
        cvm_error_launch(&launch->error, launch_current(launch)->stage, log, "%s", reason);
        launch_fail(launch);
}

static void on_created(Vm *vm, void *userdata)
{
        Launch *launch = userdata;

        if (!launch->failed && launch_is_at(launch, LAUNCH_CREATED))
                launch_advance(launch);
}

/* One that lost a port tries again, any other has failed. */
static void on_ended(Vm *vm, const DriverEnding *ending, void *userdata)
{
        Launch *launch = userdata;

        if (launch->failed) {
                if (!launch->last_words && *ending->log)
                        launch->last_words = strdup(ending->log);
                launch_unwind(launch);
        } else if (launch_may_try_again(launch, ending->log)) {
                launch_try_other_ports(launch);
        } else {
                launch_describe_end(launch, ending);
                launch_fail(launch);
        }
}

static void on_cancel(Vm *vm, const char *reason, void *userdata)
{
        launch_cancel(userdata, reason);
}

const VmKeeper launch_keeper = {
        .created = on_created,
        .companions_ready = on_companions_ready,
        .ended = on_ended,
        .companion_failed = on_companion_failed,
        .cancel = on_cancel,
};
