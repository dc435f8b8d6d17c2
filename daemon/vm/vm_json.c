/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "vm/vm.h"

static void vm_json_add_int(json_object *object, const char *key, int64_t value)
{
        json_add(object, key, json_object_new_int64(value));
}

static void add_text(json_object *object, const char *key, const char *value)
{
        if (value)
                json_add(object, key, json_new_text(value));
}

/* The interface's type Ending. */
static json_object *vm_ending_to_json(const VmEnding *ending)
{
        json_object *object = json_object_new_object();

        add_text(object, "reason", ending->reason);
        add_text(object, "detail", ending->detail);
        if (ending->has_exit_code)
                vm_json_add_int(object, "exitCode", ending->exit_code);
        if (ending->has_signal)
                vm_json_add_int(object, "signal", ending->signal);
        vm_json_add_int(object, "at", ending->at);
        return object;
}

static json_object *forwards_to_json(const Vm *vm)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < vm->reserved.n_forwards; i++) {
                const SpecForward *f = &vm->reserved.forwards[i];
                json_object *item = json_object_new_object();

                add_text(item, "address", f->address);
                vm_json_add_int(item, "hostPort", f->host_port);
                vm_json_add_int(item, "guestPort", f->guest_port);
                add_text(item, "protocol", spec_protocol_name(f->protocol));
                json_object_array_add(array, item);
        }
        return array;
}

json_object *vm_to_json(const Vm *vm)
{
        json_object *o = json_object_new_object(), *artifacts = json_object_new_object();

        add_text(o, "name", vm->name);
        add_text(o, "id", vm->id);
        add_text(o, "platform", vm->platform);
        add_text(o, "driver", vm->ops->name);
        add_text(o, "state", vm_state_name(vm->state));
        json_add(o, "ready", json_object_new_boolean(vm->guest.ready));
        add_text(o, "guestStatus", vm->guest.status);
        vm_json_add_int(o, "owner", vm->owner);
        if (vm->reserved.uid)
                vm_json_add_int(o, "uid", vm->reserved.uid);
        vm_json_add_int(o, "cpus", vm->cpus);
        vm_json_add_int(o, "memory", (int64_t)vm->memory);
        if (vm->process.driver && vm->ops->pid(vm->process.driver) > 0)
                vm_json_add_int(o, "pid", vm->ops->pid(vm->process.driver));
        add_text(o, "scope", vm->process.scope);
        if (vm->reserved.vsock_cid)
                vm_json_add_int(o, "vsockCid", vm->reserved.vsock_cid);
        json_add(o, "forwards", forwards_to_json(vm));
        json_add(o, "debug", json_object_new_boolean(vm->debug));
        json_add(o, "confidential", json_object_new_boolean(vm->confidential));
        if (vm->labels)
                json_add(o, "labels", json_object_get(vm->labels));
        vm_json_add_int(o, "createdAt", vm->created_at);
        if (vm->guest.started_at)
                vm_json_add_int(o, "startedAt", vm->guest.started_at);
        if (vm->guest.ready_at)
                vm_json_add_int(o, "readyAt", vm->guest.ready_at);
        if (deadline_is_set(&vm->expires))
                vm_json_add_int(o, "expiresAt", vm->expires.real_usec);
        if (vm->restart.total)
                vm_json_add_int(o, "restarts", vm->restart.total);
        if (vm->state == VM_RESTARTING)
                vm_json_add_int(o, "restartAt", vm->restart.at.real_usec);
        if (vm->ending.reason)
                json_add(o, "ending", vm_ending_to_json(&vm->ending));
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                add_text(artifacts, spec_artifact_kind_name(i), vm->boot.sha256[i]);
        json_add(o, "artifacts", artifacts);
        if (vm->boot.binding)
                json_add(o, "binding", json_object_get(vm->boot.binding));
        json_add(o, "measurement", json_object_get(vm->boot.measured.registers));
        return o;
}

json_object *vm_to_json_with_spec(const Vm *vm)
{
        json_object *cvm = vm_to_json(vm), *spec;

        if (!vm->spec || !vm->spec_is_given)
                return cvm;
        spec = spec_given_show(vm->spec, vm->paths, json_member(cvm, "artifacts"));
        if (spec) {
                json_add(cvm, "spec", spec);
                return cvm;
        }
        json_object_put(cvm);
        return NULL;
}
