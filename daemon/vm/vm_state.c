/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "vm/vm.h"

static const char *const state_names[_VM_STATE_MAX] = {
        [VM_PREPARING] = "preparing", [VM_STARTING] = "starting", [VM_RUNNING] = "running",
        [VM_PAUSED] = "paused",       [VM_STOPPING] = "stopping", [VM_RESTARTING] = "restarting",
        [VM_STOPPED] = "stopped",     [VM_FAILED] = "failed",
};

const char *vm_state_name(VmState state)
{
        return state_names[state];
}

int vm_state_parse(const char *name, VmState *ret)
{
        for (VmState i = 0; i < _VM_STATE_MAX; i++)
                if (strcmp(state_names[i], name) == 0) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

bool vm_state_is_live(VmState state)
{
        return state < VM_STOPPED;
}

bool vm_id_is_valid(const char *id)
{
        if (strlen(id) != 36)
                return false;
        for (size_t i = 0; i < 36; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? id[i] != '-' : !strchr("0123456789abcdef", id[i]))
                        return false;
        }
        return true;
}
