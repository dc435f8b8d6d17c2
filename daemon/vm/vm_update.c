/* SPDX-License-Identifier: Apache-2.0 */

/* The change of what a client may change of a live CVM (launch/update.h). */

#include "base/json.h"
#include "vm/record.h"
#include "vm/vm.h"

int vm_update(Vm *vm, const CvmSpec *spec, json_object *given, Deadline expires, json_object *names,
              CvmError *error)
{
        json_object *old_spec = vm->spec, *old_labels = vm->labels;
        const SpecRestart old_restart = vm->restart.spec;
        const Deadline old_expires = vm->expires;
        int r;

        vm->spec = given;
        vm->labels = json_object_get(spec->labels);
        vm->expires = expires;
        vm_restart_set_policy(&vm->restart, &spec->restart);
        r = record_write(vm);
        if (r < 0) {
                json_object_put(vm->spec);
                json_object_put(vm->labels);
                json_object_put(names);
                vm->spec = old_spec;
                vm->labels = old_labels;
                vm->expires = old_expires;
                vm_restart_set_policy(&vm->restart, &old_restart);
                return record_write_error(vm, r, error);
        }
        json_object_put(old_spec);
        json_object_put(old_labels);
        uv_timer_stop(&vm->expiry_timer);
        vm_arm_expiry(vm);
        vm_emit(vm, "updated", NULL, NULL, json_build("fields", names, NULL));
        return 0;
}
