/* SPDX-License-Identifier: Apache-2.0 */
#include "api/api.h"

#include "base/text.h"
#include "local/log.h"

static int api_refuse(void *userdata, const char *path, const char *reason)
{
        return cvm_error_invalid_parameter(userdata, path, "%s", reason);
}

int api_dispatch(json_object *parameters, const JsonField *fields, void *target, CvmError *error)
{
        return json_dispatch(parameters, fields, target, "", api_refuse, error);
}

void api_target_done(ApiTarget *target)
{
        free(target->name);
        free(target->id);
}

int api_find(WireCall *call, const ApiTarget *target, Manager *manager, Vm **ret, CvmError *error)
{
        Vm *vm;

        if (!target->name && !target->id)
                return cvm_error_invalid_parameter(error, "name",
                                                   "is missing; give the CVM's name or its id");
        if (target->id && !vm_id_is_valid(target->id))
                return cvm_error_invalid_parameter(error, "id", VM_ID_REQUIRED);
        vm = manager_find(manager, target->name, target->id, wire_call_peer(call));
        if (!vm)
                return cvm_error_no_such_cvm(error, target->name, target->id);
        wire_call_concerns(call, vm->name, vm->id);
        *ret = vm;
        return 0;
}

int api_named(WireCall *call, json_object *parameters, Manager *manager, Vm **ret, CvmError *error)
{
        static const JsonField fields[] = {
                {"name", JSON_STRING, offsetof(ApiTarget, name)},
                {"id", JSON_STRING, offsetof(ApiTarget, id)},
                {},
        };
        _cleanup_(api_target_done) ApiTarget target = {};
        int r = api_dispatch(parameters, fields, &target, error);

        return r < 0 ? r : api_find(call, &target, manager, ret, error);
}

int api_wrong_state(const Vm *vm, const char *const *allowed, CvmError *error)
{
        return cvm_error_wrong_state(error, vm->name, vm_state_name(vm->state), allowed);
}

void api_log_call(const WireCall *call, const Vm *vm, const char *method)
{
        const WirePeer *peer = wire_call_peer(call);
        _cleanup_free_ char *method_field = text_format("CVM_METHOD=%s", method);
        _cleanup_free_ char *uid = text_format("CVM_CALLER_UID=%u", peer->uid);
        _cleanup_free_ char *pid = text_format("CVM_CALLER_PID=%d", peer->pid);
        LogSubject subject = {vm->name, vm->id, LOG_MESSAGE_CALL, {}};

        if (method_field && uid && pid) {
                subject.fields[0] = method_field;
                subject.fields[1] = uid;
                subject.fields[2] = pid;
        }
        log_about(LOG_LEVEL_INFO, &subject, "%s called by uid %u, pid %d", method, peer->uid,
                  peer->pid);
}

void api_log_stop(const WireCall *call, Vm *vm, const char *method, bool force)
{
        if (vm->stop_is_logged && (!force || vm->force_is_logged))
                return;
        vm->stop_is_logged = true;
        vm->force_is_logged = force;
        api_log_call(call, vm, method);
}
