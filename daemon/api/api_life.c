/* SPDX-License-Identifier: Apache-2.0 */

/* Stop, Pause, Resume, Remove: calls that change a CVM's life, and wait until it has changed. */

#include <string.h>

#include "api/api.h"
#include "vm/record.h"

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

int api_stop(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
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
        int r = api_dispatch(parameters, fields, &p, error);

        if (r == 0)
                r = api_find(call, &p.target, userdata, &vm, error);
        if (r < 0)
                return r;
        if (!vm_state_is_live(vm->state)) {
                record_reply(vm, call, json_build("cvm", vm_to_json(vm), NULL));
                return 0;
        }
        operation = calloc(1, sizeof(*operation));
        if (!operation)
                return cvm_error_system(error, -ENOMEM, "stop");
        *operation = (StopOperation){
                .call = wire_call_ref(call),
                .vm = vm_ref(vm),
                .watch = {.changed = on_stop_changed, .userdata = operation},
        };
        api_log_stop(call, vm, "Stop", p.force);
        vm_watch(vm, &operation->watch);
        wire_call_on_gone(call, on_stop_gone, operation);
        vm_stop(vm, ENDING_STOPPED, p.force, p.timeout_sec);
        return 0;
}

static void on_switched(Vm *vm, CvmError *error, void *userdata)
{
        WireCall *call = userdata;

        if (error)
                wire_call_error(call, error);
        else
                record_reply(vm, call, json_build("cvm", vm_to_json(vm), NULL));
        wire_call_unref(call);
}

/* Finds the CVM; WrongState if it is in another state. */
static int api_life_find_in(WireCall *call, json_object *parameters, Manager *manager,
                            VmState state, Vm **ret, CvmError *error)
{
        const char *const allowed[] = {vm_state_name(state), NULL};
        int r = api_named(call, parameters, manager, ret, error);

        if (r < 0)
                return r;
        if ((*ret)->state != state || !(*ret)->process.driver)
                return api_wrong_state(*ret, allowed, error);
        return 0;
}

int api_pause(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Vm *vm;
        int r = api_life_find_in(call, parameters, userdata, VM_RUNNING, &vm, error);

        if (r < 0)
                return r;
        api_log_call(call, vm, "Pause");
        vm_pause(vm, on_switched, wire_call_ref(call));
        return 0;
}

int api_resume(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Vm *vm;
        int r = api_life_find_in(call, parameters, userdata, VM_PAUSED, &vm, error);

        if (r < 0)
                return r;
        api_log_call(call, vm, "Resume");
        vm_resume(vm, on_switched, wire_call_ref(call));
        return 0;
}

int api_remove(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const char *const allowed[] = {"stopped", "failed", NULL};
        Vm *vm;
        int r = api_named(call, parameters, userdata, &vm, error);

        if (r < 0)
                return r;
        if (vm_state_is_live(vm->state))
                return api_wrong_state(vm, allowed, error);
        api_log_call(call, vm, "Remove");
        manager_remove(userdata, vm);
        wire_call_reply(call, NULL);
        return 0;
}
