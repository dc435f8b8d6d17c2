/* SPDX-License-Identifier: Apache-2.0 */

/* Pause and resume: the guest's CPUs stop, or run on, once the hypervisor has answered. */

#include "vm/home.h"
#include "vm/vm.h"

#define SWITCH_MSEC 10000 /* how long a hung hypervisor may keep who asked waiting */

typedef struct VmSwitch {
        Vm *vm; /* a reference */
        VmState target;
        VmSwitched done; /* NULL once called */
        void *userdata;
        uv_timer_t timer;
        bool replied; /* the driver has answered: its reference to this is gone */
        bool closed;
} VmSwitch;

static void vm_switch_maybe_free(VmSwitch *change)
{
        if (!change->replied || !change->closed)
                return;
        vm_unref(change->vm);
        free(change);
}

static void on_timer_closed(uv_handle_t *handle)
{
        VmSwitch *change = handle->data;

        change->closed = true;
        vm_switch_maybe_free(change);
}

static void vm_switch_tell(VmSwitch *change, CvmError *error)
{
        VmSwitched done = TAKE_PTR(change->done);

        if (!done)
                return;
        done(change->vm, error, change->userdata);
        uv_close((uv_handle_t *)&change->timer, on_timer_closed);
}

static void on_timeout(uv_timer_t *timer)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_timeout(&error, "QEMU's answer", SWITCH_MSEC);
        vm_switch_tell(timer->data, &error);
}

static void vm_switch_describe(VmState target, int r, const char *text, CvmError *error)
{
        if (r == -ECONNRESET)
                text = "QEMU has ended";
        if (text)
                cvm_error_launch(error, vm_state_name(target), NULL, "%s", text);
        else
                cvm_error_system(error, r, "command QEMU");
}

static void on_replied(int r, const char *text, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        VmSwitch *change = userdata;
        Vm *vm = change->vm;
        VmState from = change->target == VM_PAUSED ? VM_RUNNING : VM_PAUSED;

        change->replied = true;
        /* Also if a timeout was reported: the change has happened now. */
        if (r == 0 && !vm->removed && vm->state == from) {
                vm_set_state(vm, change->target);
                if (change->target == VM_RUNNING)
                        vm_arm_ready_timer(vm);
        }
        if (r < 0)
                vm_switch_describe(change->target, r, text, &error);
        vm_switch_tell(change, r < 0 ? &error : NULL);
        vm_switch_maybe_free(change);
}

static void vm_switch(Vm *vm, VmState target, VmSwitched done, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        VmSwitch *change = calloc(1, sizeof(*change));
        int r;

        if (!change) {
                cvm_error_system(&error, -ENOMEM, "command QEMU");
                done(vm, &error, userdata);
                return;
        }
        *change =
                (VmSwitch){.vm = vm_ref(vm), .target = target, .done = done, .userdata = userdata};
        uv_timer_init(vm->home->loop, &change->timer);
        change->timer.data = change;
        uv_timer_start(&change->timer, on_timeout, SWITCH_MSEC, 0);
        r = target == VM_PAUSED ? vm->ops->pause(vm->process.driver, on_replied, change)
                                : vm->ops->resume(vm->process.driver, on_replied, change);
        if (r < 0) {
                vm_switch_describe(target, r, NULL, &error);
                change->replied = true;
                vm_switch_tell(change, &error);
        }
}

void vm_pause(Vm *vm, VmSwitched done, void *userdata)
{
        vm_switch(vm, VM_PAUSED, done, userdata);
}

void vm_resume(Vm *vm, VmSwitched done, void *userdata)
{
        vm_switch(vm, VM_RUNNING, done, userdata);
}
