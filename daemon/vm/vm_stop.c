/* SPDX-License-Identifier: Apache-2.0 */

/* How a CVM is stopped: on request, or because its time to live is over. */

#include "local/log.h"
#include "vm/record.h"
#include "vm/vm.h"

static void stop_next(Vm *vm);

static void on_stop_timer(uv_timer_t *timer)
{
        stop_next(timer->data);
}

/* Each step gives the one before it its time; SIGKILL cannot be refused. */
static void stop_next(Vm *vm)
{
        uint32_t seconds = 0;

        switch (vm->cause.step) {
        case VM_STOP_NONE:
                vm_cause_set_step(&vm->cause, VM_STOP_POWERDOWN);
                vm->ops->powerdown(vm->process.driver);
                seconds = vm->cause.powerdown_sec ?: vm->powerdown_sec;
                break;
        case VM_STOP_POWERDOWN:
                vm_cause_set_step(&vm->cause, VM_STOP_QUIT);
                vm->ops->quit(vm->process.driver);
                seconds = vm->quit_sec;
                break;
        case VM_STOP_QUIT:
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "QEMU does not quit: killed");
                vm_cause_set_step(&vm->cause, VM_STOP_KILL);
                vm->ops->kill(vm->process.driver);
                break;
        case VM_STOP_KILL:
                break;
        }
        if (seconds)
                uv_timer_start(&vm->stop_timer, on_stop_timer, (uint64_t)seconds * 1000, 0);
}

void vm_await_quit(Vm *vm)
{
        if (vm->cause.step >= VM_STOP_QUIT)
                return;
        vm_cause_set_step(&vm->cause, VM_STOP_QUIT);
        uv_timer_start(&vm->stop_timer, on_stop_timer, (uint64_t)vm->quit_sec * 1000, 0);
}

/* For the first time: one that is launched again is restarting. */
static bool is_launching(const Vm *vm)
{
        return (vm->state == VM_PREPARING || vm->state == VM_STARTING) && !vm->restart.pending;
}

/* There is no guest to ask: who is in charge gives up what it prepares or waits for. */
static void cancel(Vm *vm, EndingKind why)
{
        const char *reason = why == ENDING_EXPIRED ? "the CVM's time to live is over"
                             : vm->restart.pending ? "the CVM was stopped before it ran again"
                                                   : "the CVM was stopped before it ran";

        if (vm->keeper && vm->keeper->cancel)
                vm->keeper->cancel(vm, reason, vm->keeper_userdata);
}

/* The power button first, unless that is asked for or in vain. What follows is on record first. */
static void stop_guest(Vm *vm, bool force, bool is_new_cause)
{
        bool paused = vm->state == VM_PAUSED; /* it cannot act on the power button */

        if (vm->state == VM_RUNNING || vm->state == VM_PAUSED)
                vm_set_state(vm, VM_STOPPING);
        else if (vm->state == VM_STOPPING && is_new_cause)
                (void)record_write(vm); /* a failure is logged */
        if (vm->state != VM_STOPPING || !vm->process.driver)
                return;
        if ((force || paused) && vm->cause.step < VM_STOP_POWERDOWN)
                vm_cause_set_step(&vm->cause, VM_STOP_POWERDOWN);
        else if (!force && vm->cause.step != VM_STOP_NONE)
                return; /* a second, patient Stop waits for the first */
        else if (force && vm->cause.step > VM_STOP_POWERDOWN)
                return;
        stop_next(vm);
}

void vm_stop(Vm *vm, EndingKind why, bool force, uint32_t powerdown_sec)
{
        bool is_new_cause;

        if (is_launching(vm)) { /* it fails, and is undone as far as launch.h says */
                cancel(vm, why);
                return;
        }
        is_new_cause = vm_cause_note(&vm->cause, why);
        if (powerdown_sec)
                vm_cause_set_powerdown(&vm->cause, powerdown_sec);
        if (vm->restart.pending)
                cancel(vm, why);
        else
                stop_guest(vm, force, is_new_cause);
}

static void on_expiry_timer(uv_timer_t *timer)
{
        Vm *vm = timer->data;

        if (deadline_left_usec(&vm->expires) > 0) {
                vm_arm_expiry(vm);
                return;
        }
        log_emit(LOG_LEVEL_INFO, vm->name, vm->id, "the CVM's time to live is over");
        vm_stop(vm, ENDING_EXPIRED, false, 0);
}

void vm_arm_expiry(Vm *vm)
{
        if (deadline_is_set(&vm->expires))
                deadline_arm(&vm->expires, &vm->expiry_timer, on_expiry_timer);
}
