/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"
#include "vm/vm.h"

#define TEXT_SIZE 1000u /* bytes that most CVMs fit in */

/* The interface's type Ending. */
static void vm_write_ending(const VmEnding *ending, JsonWriter *w)
{
        if (!ending->reason)
                return;
        json_write_begin(w, "ending", '{');
        json_write_text(w, "reason", ending->reason);
        json_write_text(w, "detail", ending->detail);
        if (ending->has_exit_code)
                json_write_int(w, "exitCode", ending->exit_code);
        if (ending->has_signal)
                json_write_int(w, "signal", ending->signal);
        json_write_int(w, "at", ending->at);
        json_write_end(w, '}');
}

static void vm_write_forwards(const Vm *vm, JsonWriter *w)
{
        json_write_begin(w, "forwards", '[');
        for (size_t i = 0; i < vm->reserved.n_forwards; i++) {
                const SpecForward *f = &vm->reserved.forwards[i];

                json_write_begin(w, NULL, '{');
                json_write_text(w, "address", f->address);
                json_write_int(w, "hostPort", f->host_port);
                json_write_int(w, "guestPort", f->guest_port);
                json_write_text(w, "protocol", spec_protocol_name(f->protocol));
                json_write_end(w, '}');
        }
        json_write_end(w, ']');
}

static void vm_write_times(const Vm *vm, JsonWriter *w)
{
        json_write_int(w, "createdAt", vm->created_at);
        if (vm->guest.started_at)
                json_write_int(w, "startedAt", vm->guest.started_at);
        if (vm->guest.ready_at)
                json_write_int(w, "readyAt", vm->guest.ready_at);
        if (deadline_is_set(&vm->expires))
                json_write_int(w, "expiresAt", vm->expires.real_usec);
        if (vm->restart.total)
                json_write_int(w, "restarts", vm->restart.total);
        if (vm->state == VM_RESTARTING)
                json_write_int(w, "restartAt", vm->restart.at.real_usec);
}

void vm_write_members(const Vm *vm, JsonWriter *w)
{
        json_write_text(w, "name", vm->name);
        json_write_text(w, "id", vm->id);
        json_write_text(w, "platform", vm->platform);
        json_write_text(w, "driver", vm->ops->name);
        json_write_text(w, "state", vm_state_name(vm->state));
        json_write_bool(w, "ready", vm->guest.ready);
        json_write_text(w, "guestStatus", vm->guest.status);
        json_write_int(w, "owner", vm->owner);
        if (vm->reserved.uid)
                json_write_int(w, "uid", vm->reserved.uid);
        json_write_int(w, "cpus", vm->cpus);
        json_write_int(w, "memory", (int64_t)vm->memory);
        json_write_text(w, "scope", vm->process.scope);
        if (vm->reserved.vsock_cid)
                json_write_int(w, "vsockCid", vm->reserved.vsock_cid);
        vm_write_forwards(vm, w);
        json_write_bool(w, "debug", vm->debug);
        json_write_bool(w, "confidential", vm->confidential);
        if (vm->emulated)
                json_write_bool(w, "emulated", true);
        json_write_tree(w, "labels", vm->labels);
        vm_write_times(vm, w);
        vm_write_ending(&vm->ending, w);
        json_write_text(w, "image", vm->boot.image);
        json_write_begin(w, "artifacts", '{');
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                json_write_text(w, spec_artifact_kind_name(i), vm->boot.sha256[i]);
        json_write_end(w, '}');
        json_write_tree(w, "binding", vm->boot.binding);
        json_write_tree(w, "measurement", vm->boot.measured.registers);
}

static json_object *vm_to_json_with(const Vm *vm, json_object *spec)
{
        JsonWriter w = {};

        json_write_reserve(&w, TEXT_SIZE);
        json_write_begin(&w, NULL, '{');
        vm_write_members(vm, &w);
        if (vm->process.driver && vm->ops->pid(vm->process.driver) > 0)
                json_write_int(&w, "pid", vm->ops->pid(vm->process.driver));
        json_write_tree(&w, "spec", spec);
        json_write_end(&w, '}');
        return json_writer_to_object(&w);
}

json_object *vm_to_json(const Vm *vm)
{
        return vm_to_json_with(vm, NULL);
}

json_object *vm_to_json_with_spec(const Vm *vm)
{
        _cleanup_json_ json_object *digests = NULL, *spec = NULL;

        if (!vm->spec || !vm->spec_is_given)
                return vm_to_json(vm);
        digests = json_object_new_object();
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++)
                if (vm->boot.sha256[i])
                        json_add(digests, spec_artifact_kind_name(i),
                                 json_new_text(vm->boot.sha256[i]));
        spec = spec_given_show(vm->spec, vm->paths, digests);
        return spec ? vm_to_json_with(vm, spec) : NULL;
}
