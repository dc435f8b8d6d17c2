/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

static int refuse(void *userdata, const char *path, const char *reason)
{
        return cvm_error_invalid_parameter(userdata, path);
}

bool api_dispatch(WireCall *call, json_object *parameters, const JsonField *fields, void *target)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (json_dispatch(parameters, fields, target, "", refuse, &error) == 0)
                return true;
        wire_call_error(call, &error);
        return false;
}

Vm *api_find(WireCall *call, const char *name, Manager *manager)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Vm *vm = manager_find(manager, name, wire_call_peer(call));

        if (!vm) {
                cvm_error_no_such_cvm(&error, name);
                wire_call_error(call, &error);
        }
        return vm;
}

Vm *api_named(WireCall *call, json_object *parameters, Manager *manager)
{
        static const JsonField fields[] = {{"name", JSON_STRING, 0, JSON_REQUIRED}, {}};
        _cleanup_free_ char *name = NULL;

        if (!api_dispatch(call, parameters, fields, &name))
                return NULL;
        return api_find(call, name, manager);
}

void api_wrong_state(WireCall *call, const Vm *vm, const char *const *allowed)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_wrong_state(&error, vm->name, vm_state_name(vm->state), allowed);
        wire_call_error(call, &error);
}
