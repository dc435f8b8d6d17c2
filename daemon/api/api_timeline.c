/* SPDX-License-Identifier: Apache-2.0 */

/* How long each step of a CVM's last launch took. */

#include "api/api.h"

int api_timeline(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Vm *vm;
        int r = api_named(call, parameters, userdata, &vm, error);

        if (r < 0)
                return r;
        wire_call_reply(call, json_build("cvm", vm_to_json(vm), "stages",
                                         vm_stages_to_json(&vm->stages), "guestUptimeUsec",
                                         vm->guest.ready_at && vm->guest.uptime_usec
                                                 ? json_object_new_int64(vm->guest.uptime_usec)
                                                 : NULL,
                                         NULL));
        return 0;
}
