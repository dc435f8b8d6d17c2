/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include <string.h>

#include "wire/manager.h"

#define METHOD(name) "io.cvmd.Manager." name

static const WireMethod methods[] = {
        {METHOD("Launch"), api_launch, 0},
        {METHOD("Stop"), api_stop, 0},
        {METHOD("Pause"), api_pause, 0},
        {METHOD("Resume"), api_resume, 0},
        {METHOD("Remove"), api_remove, 0},
        {METHOD("Status"), api_status, 0},
        {METHOD("Measure"), api_measure, 0},
        {METHOD("List"), api_list, 0},
        {METHOD("Watch"), api_watch, WIRE_METHOD_NEEDS_MORE},
        {METHOD("Logs"), api_logs, 0},
        {METHOD("Console"), api_console, WIRE_METHOD_NEEDS_UPGRADE},
        {METHOD("Render"), api_render, 0},
        {METHOD("DescribeHost"), api_describe_host, 0},
        {METHOD("ListTemplates"), api_list_templates, 0},
        {METHOD("ListArtifacts"), api_list_artifacts, 0},
        {},
};

const WireInterface api_interface = {
        .name = "io.cvmd.Manager",
        .description = wire_manager_interface,
        .methods = methods,
};

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
