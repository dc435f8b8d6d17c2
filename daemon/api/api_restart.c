/* SPDX-License-Identifier: Apache-2.0 */

/* Restart: ends a CVM, has it launched again, and waits until it runs. If the client goes, the
 * restart itself continues. */

#include <string.h>

#include "api/api.h"
#include "launch/restart.h"
#include "vm/record.h"

typedef struct RestartOperation {
        WireCall *call;    /* a reference */
        Vm *vm;            /* a reference */
        uint32_t attempts; /* of the CVM's life, once the one that is awaited has been counted */
        VmWatch watch;
        EventsFollower daemon; /* for its end */
} RestartOperation;

/* Answers with the error, or with the CVM if it is not set. */
static void restart_operation_done(RestartOperation *operation, CvmError *error)
{
        vm_unwatch(&operation->watch);
        events_unfollow(&operation->daemon);
        wire_call_on_gone(operation->call, NULL, NULL);
        if (cvm_error_is_set(error))
                wire_call_error(operation->call, error);
        else
                record_reply(operation->vm, operation->call,
                             json_build("cvm", vm_to_json(operation->vm), NULL));
        wire_call_unref(operation->call);
        vm_unref(operation->vm);
        free(operation);
}

/* Why a CVM that has ended, or waits for another attempt, does not run again. */
static void restart_explain(const Vm *vm, CvmError *error)
{
        static const char *const allowed[] = {"running", "paused", "restarting", NULL};
        const char *reason = vm->ending.reason ?: "";

        if (ending_parse(reason) == ENDING_SECRETS_GONE)
                cvm_error_secrets_gone(error, vm->name, vm->id);
        else if (vm_cause_is_asked_for(&vm->cause))
                cvm_error_wrong_state(error, vm->name, vm_state_name(vm->state), allowed);
        else
                cvm_error_launch(error, "starting", NULL,
                                 "the CVM was stopped, and did not run "
                                 "again: %s%s%s",
                                 reason, vm->ending.detail ? ": " : "", vm->ending.detail ?: "");
}

static void on_restart_changed(Vm *vm, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        RestartOperation *operation = userdata;
        bool runs = vm->state == VM_RUNNING || vm->state == VM_PAUSED;

        if (vm->removed)
                cvm_error_no_such_cvm(&error, vm->name, vm->id);
        else if (!vm_state_is_live(vm->state) || vm->restart.total > operation->attempts)
                restart_explain(vm, &error);
        else if (!runs || vm->restart.pending || vm->restart.total < operation->attempts)
                return;
        restart_operation_done(operation, &error);
}

static void on_restart_end(void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_system(&error, -ECANCELED, "wait for the restart while the daemon exits");
        restart_operation_done(userdata, &error);
}

static void on_restart_gone(WireCall *call, void *userdata)
{
        restart_operation_done(userdata, &(CvmError){}); /* every call has an end */
}

static int restart_operation_begin(WireCall *call, Vm *vm, bool force, uint32_t timeout_sec,
                                   CvmError *error)
{
        RestartOperation *operation = calloc(1, sizeof(*operation));

        if (!operation)
                return cvm_error_system(error, -ENOMEM, "restart");
        *operation = (RestartOperation){
                .call = wire_call_ref(call),
                .vm = vm_ref(vm),
                .attempts = vm->restart.total + (vm->restart.pending ? 0 : 1),
                .watch = {.changed = on_restart_changed, .userdata = operation},
                .daemon = {.end = on_restart_end, .userdata = operation},
        };
        vm_watch(vm, &operation->watch);
        events_follow(vm->home->events, &operation->daemon);
        wire_call_on_gone(call, on_restart_gone, operation);
        restart_request(vm, force, timeout_sec);
        return 0;
}

typedef struct RestartParameters {
        ApiTarget target;
        bool force;
        uint32_t timeout_sec;
} RestartParameters;

static void restart_parameters_done(RestartParameters *p)
{
        api_target_done(&p->target);
}

int api_restart(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(RestartParameters, target),
                {"force", JSON_BOOL, offsetof(RestartParameters, force)},
                {"timeoutSec", JSON_UINT32, offsetof(RestartParameters, timeout_sec), 0, 1, 86400},
                {},
        };
        _cleanup_(restart_parameters_done) RestartParameters p = {};
        Vm *vm;
        int r = api_dispatch(parameters, fields, &p, error);

        if (r == 0)
                r = api_find(call, &p.target, userdata, &vm, error);
        if (r == 0)
                r = restart_check(userdata, vm, error);
        if (r < 0)
                return r;
        /* a CVM that is restarting may be another call's: who repeats it does not fill the log */
        if (vm->state == VM_RUNNING || vm->state == VM_PAUSED)
                api_log_call(call, vm, "Restart");
        return restart_operation_begin(call, vm, p.force, p.timeout_sec, error);
}
