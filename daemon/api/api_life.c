/* SPDX-License-Identifier: Apache-2.0 */

/* Stop, Pause, Resume, Remove: calls that change a CVM's life, and wait until it has changed. */

#include <string.h>

#include "api/api.h"
#include "vm/record.h"

#define COMMAND_MSEC 10000 /* how long a hung QEMU may keep a Pause or Resume waiting */

typedef struct StopOperation {
        WireCall *call; /* a reference */
        Vm *vm;         /* a reference */
        VmWatch watch;
} StopOperation;

static void stop_done(StopOperation *operation, bool answer)
{
        vm_unwatch(&operation->watch);
        if (answer)
                record_reply(operation->vm, operation->call,
                             json_build("cvm", vm_to_json(operation->vm), NULL));
        wire_call_unref(operation->call);
        vm_unref(operation->vm);
        free(operation);
}

static void on_stop_changed(Vm *vm, void *userdata)
{
        if (vm->removed || !vm_state_is_live(vm->state))
                stop_done(userdata, true);
}

static void on_stop_gone(WireCall *call, void *userdata)
{
        stop_done(userdata, true); /* the stop itself continues */
}

typedef struct StopParameters {
        ApiTarget target;
        bool force;
        uint32_t timeout_sec;
} StopParameters;

static void stop_parameters_done(StopParameters *p)
{
        api_target_done(&p->target);
}

void api_stop(WireCall *call, json_object *parameters, void *userdata)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(StopParameters, target),
                {"force", JSON_BOOL, offsetof(StopParameters, force)},
                {"timeoutSec", JSON_UINT32, offsetof(StopParameters, timeout_sec), 0, 1, 86400},
                {},
        };
        _cleanup_(stop_parameters_done) StopParameters p = {};
        StopOperation *operation;
        Vm *vm;

        vm = api_dispatch(call, parameters, fields, &p) ? api_find(call, &p.target, userdata)
                                                        : NULL;
        if (!vm)
                return;
        if (!vm_state_is_live(vm->state)) {
                record_reply(vm, call, json_build("cvm", vm_to_json(vm), NULL));
                return;
        }
        operation = calloc(1, sizeof(*operation));
        if (!operation) {
                _cleanup_(cvm_error_done) CvmError error = {};

                cvm_error_system(&error, -ENOMEM, "stop");
                wire_call_error(call, &error);
                return;
        }
        *operation = (StopOperation){
                .call = wire_call_ref(call),
                .vm = vm_ref(vm),
                .watch = {.changed = on_stop_changed, .userdata = operation},
        };
        /* once a step of a stop, so that who repeats it does not fill the log */
        if (!vm->stop_requested || (p.force && vm->stop_step < VM_STOP_QUIT))
                api_log_call(call, vm, "Stop");
        vm_watch(vm, &operation->watch);
        wire_call_on_gone(call, on_stop_gone, operation);
        vm_stop(vm, p.force, p.timeout_sec);
}

typedef struct CommandOperation {
        WireCall *call; /* a reference; NULL once answered */
        Vm *vm;         /* a reference */
        VmState target;
        uv_timer_t timer;
        bool bare;    /* the reply says nothing */
        bool replied; /* the driver has answered: its reference to this is gone */
        bool closed;
} CommandOperation;

static void command_maybe_free(CommandOperation *operation)
{
        if (!operation->replied || !operation->closed)
                return;
        vm_unref(operation->vm);
        free(operation);
}

static void on_command_timer_closed(uv_handle_t *handle)
{
        CommandOperation *operation = handle->data;

        operation->closed = true;
        command_maybe_free(operation);
}

/* error NULL: the CVM as it is now. */
static void command_answer(CommandOperation *operation, CvmError *error)
{
        WireCall *call = TAKE_PTR(operation->call);

        if (!call)
                return;
        if (error)
                wire_call_error(call, error);
        else
                record_reply(operation->vm, call,
                             operation->bare ? NULL
                                             : json_build("cvm", vm_to_json(operation->vm), NULL));
        wire_call_unref(call);
        uv_close((uv_handle_t *)&operation->timer, on_command_timer_closed);
}

static void on_command_timeout(uv_timer_t *timer)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_timeout(&error, "QEMU's answer", COMMAND_MSEC);
        command_answer(timer->data, &error);
}

static void api_life_refuse(CvmError *error, VmState target, int r, const char *text)
{
        if (r == -ECONNRESET)
                text = "QEMU has ended";
        if (text)
                cvm_error_launch(error, vm_state_name(target), NULL, "%s", text);
        else
                cvm_error_system(error, r, "command QEMU");
}

static void on_command_done(int r, const char *text, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        CommandOperation *operation = userdata;
        Vm *vm = operation->vm;
        VmState from = operation->target == VM_PAUSED ? VM_RUNNING : VM_PAUSED;

        operation->replied = true;
        /* Also if the caller has received a timeout: the change has happened now. */
        if (r == 0 && !vm->removed && vm->state == from) {
                vm_set_state(vm, operation->target);
                if (operation->target == VM_RUNNING)
                        vm_arm_ready_timer(vm);
        }
        if (r < 0)
                api_life_refuse(&error, operation->target, r, text);
        command_answer(operation, r < 0 ? &error : NULL);
        command_maybe_free(operation);
}

void api_hold(WireCall *call, Vm *vm, VmState target, bool bare)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        CommandOperation *operation;
        int r;

        operation = calloc(1, sizeof(*operation));
        if (!operation) {
                cvm_error_system(&error, -ENOMEM, "command QEMU");
                wire_call_error(call, &error);
                return;
        }
        *operation = (CommandOperation){
                .call = wire_call_ref(call), .vm = vm_ref(vm), .target = target, .bare = bare};
        api_log_call(call, vm, target == VM_PAUSED ? "Pause" : "Resume");
        uv_timer_init(vm->home->loop, &operation->timer);
        operation->timer.data = operation;
        uv_timer_start(&operation->timer, on_command_timeout, COMMAND_MSEC, 0);
        r = target == VM_PAUSED ? vm->ops->pause(vm->process.driver, on_command_done, operation)
                                : vm->ops->resume(vm->process.driver, on_command_done, operation);
        if (r < 0) {
                api_life_refuse(&error, target, r, NULL);
                operation->replied = true;
                command_answer(operation, &error);
        }
}

static void api_life_command(WireCall *call, json_object *parameters, Manager *manager,
                             VmState from, VmState target)
{
        const char *const allowed[] = {vm_state_name(from), NULL};
        Vm *vm = api_named(call, parameters, manager);

        if (!vm)
                return;
        if (vm->state != from || !vm->process.driver)
                api_wrong_state(call, vm, allowed);
        else
                api_hold(call, vm, target, false);
}

void api_pause(WireCall *call, json_object *parameters, void *userdata)
{
        api_life_command(call, parameters, userdata, VM_RUNNING, VM_PAUSED);
}

void api_resume(WireCall *call, json_object *parameters, void *userdata)
{
        api_life_command(call, parameters, userdata, VM_PAUSED, VM_RUNNING);
}

void api_remove(WireCall *call, json_object *parameters, void *userdata)
{
        static const char *const allowed[] = {"stopped", "failed", NULL};
        Vm *vm = api_named(call, parameters, userdata);

        if (!vm)
                return;
        if (vm_state_is_live(vm->state)) {
                api_wrong_state(call, vm, allowed);
                return;
        }
        api_log_call(call, vm, "Remove");
        manager_remove(userdata, vm);
        wire_call_reply(call, NULL);
}
