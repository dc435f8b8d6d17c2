/* SPDX-License-Identifier: Apache-2.0 */

/* Steps of a launch whose guest exists: until it runs, is ready, and its caller has the answer. */

#include "base/fail_point.h"
#include "base/json.h"
#include "launch/launch_internal.h"
#include "launch/restart.h"
#include "manager/manager.h"
#include "vm/record.h"

static void on_resumed(int r, const char *error, void *userdata)
{
        Launch *launch = userdata;

        /* a QEMU that has gone is reported by the keeper's ended(), with the reason */
        if (launch->failed || !launch_is_at(launch, LAUNCH_RESUMED) || r == -ECONNRESET) {
                launch_unref(launch);
                return;
        }
        if (r < 0) {
                cvm_error_launch(&launch->error, launch_current(launch)->stage, NULL,
                                 "QEMU did not start the guest: %s", error);
                launch_fail(launch);
        } else {
                launch_advance(launch);
        }
        launch_unref(launch);
}

int launch_resume(Launch *launch)
{
        Vm *vm = launch->vm;
        int r;

        if (launch->options.paused)
                return LAUNCH_STEP_SKIPPED;
        r = vm->ops->resume(vm->process.driver, on_resumed, launch);
        if (r == 0)
                launch->n_ref++;
        else if (r != -ECONNRESET) /* that one has gone, likewise */
                return cvm_error_system(&launch->error, r, "start the guest");
        return LAUNCH_STEP_WAITS;
}

/* The guest runs, or is paused as asked. */
int launch_run(Launch *launch)
{
        Vm *vm = launch->vm;

        uv_timer_stop(&launch->start_timer);
        (void)launch_end_turn(launch);
        vm_clear_ending(vm);
        vm->kept = false;
        restart_done(vm);
        restart_keep(launch->manager, vm);
        vm_set_state(vm, launch->options.paused ? VM_PAUSED : VM_RUNNING);
        if (!launch->options.paused)
                vm_arm_ready_timer(vm);
        host_access_remark(launch->manager, vm);
        return LAUNCH_STEP_DONE;
}

bool launch_take_charge(Launch *launch)
{
        vm_entrust(launch->vm, &launch_keeper, launch);
        return true;
}

int launch_await_ready(Launch *launch)
{
        Vm *vm = launch->vm;

        if (!launch->options.wait_ready)
                return LAUNCH_STEP_SKIPPED;
        if (vm->guest.ready) /* before the answer that it runs */
                return LAUNCH_STEP_DONE;
        vm->ready_is_awaited = true;
        if (!launch->options.timeout_sec)
                uv_timer_start(&launch->total_timer, launch_on_timeout,
                               (uint64_t)vm->ready_sec * 1000, 0);
        return LAUNCH_STEP_WAITS; /* for launch_on_vm_changed() */
}

static void launch_reply(Launch *launch)
{
        wire_call_on_gone(launch->call, NULL, NULL);
        wire_call_reply(launch->call, TAKE_PTR(launch->reply));
}

/* Also where the record could not be brought there: the CVM runs, and its log says so. */
static void on_answer_recorded(CommitWait *wait, int r)
{
        Launch *launch = container_of(wait, Launch, recorded);

        launch_reply(launch);
        launch_advance(launch);
}

int launch_answer(Launch *launch)
{
        fail_point("launch: to be answered");
        if (!launch->call)
                return LAUNCH_STEP_SKIPPED;
        launch->reply = json_build("cvm", vm_to_json(launch->vm), NULL);
        if (record_wait(launch->vm, &launch->recorded, on_answer_recorded) <= 0) {
                launch_reply(launch);
                return LAUNCH_STEP_DONE;
        }
        if (!launch->options.timeout_sec)
                uv_timer_start(&launch->total_timer, launch_on_timeout,
                               (uint64_t)launch->vm->start_sec * 1000, 0);
        return LAUNCH_STEP_WAITS;
}

/* It ran and has ended, by itself or by a Stop: it is kept with its reason, or restarted. The
 * launch is over, and failed only if its caller waits for READY. */
static void launch_outlive(Launch *launch)
{
        Vm *vm = launch->vm;
        const VmEnding *ending = &vm->ending;

        if (launch_is_at(launch, LAUNCH_READY)) {
                cvm_error_launch(&launch->error, launch_current(launch)->stage, ending->detail,
                                 "the CVM ended before it was ready: %s", ending->reason);
                launch->cancelled = vm_cause_is_asked_for(&vm->cause);
                launch_note_failure(launch);
                wire_call_error(launch->call, &launch->error);
        } else {
                commit_wait_cancel(&launch->recorded);
                record_reply(vm, launch->call, TAKE_PTR(launch->reply));
        }
        launch_done(launch);
}

void launch_on_vm_changed(Vm *vm, void *userdata)
{
        Launch *launch = userdata;

        if (vm->removed) {
                /* This daemon no longer reports how the process ends: the next daemon takes the
                 * process over, or its record. */
                if (!launch->failed)
                        launch_cancel(launch, "the daemon is shutting down");
                else
                        launch_unwind(launch);
        } else if (launch->failed || launch->n_steps <= LAUNCH_READY) {
                return;
        } else if (launch_is_at(launch, LAUNCH_READY) && vm->guest.ready) {
                vm->ready_is_awaited = false;
                launch_advance(launch);
        } else if (!vm_state_is_live(vm->state) || vm->state == VM_RESTARTING) {
                launch_outlive(launch);
        }
}
