/* SPDX-License-Identifier: Apache-2.0 */

/* Update: changes what of a live CVM can change. */

#include <string.h>

#include "api/api.h"
#include "launch/update.h"
#include "vm/record.h"

typedef struct UpdateParameters {
        ApiTarget target;
        UpdateChanges changes;
} UpdateParameters;

static void update_parameters_done(UpdateParameters *p)
{
        api_target_done(&p->target);
        free(p->changes.memory_high);
}

/* What the spec would refuse is a parameter here. */
static void update_name_parameter(CvmError *error)
{
        static const char limits[] = "limits.";
        static const char *const of_update[] = {"ttlSec", "restart", "labels", limits};
        const char *field = json_member_string(error->fields, "field") ?: "";
        _cleanup_(cvm_error_done) CvmError spec = {};

        if (error->id != CVM_ERROR_INVALID_SPEC)
                return;
        for (size_t i = 0; i < ARRAY_SIZE(of_update); i++) {
                if (strncmp(field, of_update[i], strlen(of_update[i])) != 0)
                        continue;
                if (of_update[i] == limits)
                        field += strlen(limits);
                spec = *error;
                *error = (CvmError){};
                cvm_error_invalid_parameter(error, field, "%s",
                                            json_member_string(spec.fields, "reason") ?: "");
                return;
        }
}

static void on_updated(Vm *vm, CvmError *error, void *userdata)
{
        WireCall *call = userdata;

        if (error) {
                update_name_parameter(error);
                wire_call_error(call, error);
        } else {
                record_reply(vm, call, json_build("cvm", vm_to_json(vm), NULL));
        }
        wire_call_unref(call);
}

int api_update(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(UpdateParameters, target),
                {"ttlSec", JSON_UINT32, offsetof(UpdateParameters, changes.ttl_sec), 0, 0,
                 SPEC_TTL_SEC_MAX},
                {"restart", JSON_OBJECT, offsetof(UpdateParameters, changes.restart)},
                {"labels", JSON_MAP, offsetof(UpdateParameters, changes.labels)},
                {"cpuWeight", JSON_UINT32, offsetof(UpdateParameters, changes.cpu_weight), 0, 0,
                 10000},
                {"memoryHigh", JSON_SIZE, offsetof(UpdateParameters, changes.memory_high)},
                {},
        };
        _cleanup_(update_parameters_done) UpdateParameters p = {
                .changes = {.ttl_sec = UPDATE_KEEPS, .cpu_weight = UPDATE_KEEPS}};
        Vm *vm;
        int r = api_dispatch(parameters, fields, &p, error);

        if (r == 0)
                r = api_find(call, &p.target, userdata, &vm, error);
        if (r < 0)
                return r;
        api_log_call(call, vm, "Update");
        wire_call_ref(call);
        r = update_begin(userdata, vm, &p.changes, wire_call_peer(call), on_updated, call, error);
        if (r == 0)
                return 0;
        update_name_parameter(error);
        wire_call_unref(call);
        return r;
}
