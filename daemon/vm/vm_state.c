/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_state.h"

#include <errno.h>
#include <string.h>

#include "base/json.h"

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

bool vm_cause_is_asked_for(const VmCause *cause)
{
        return cause->kind == ENDING_STOPPED || cause->kind == ENDING_EXPIRED;
}

bool vm_cause_note(VmCause *cause, EndingKind kind)
{
        const VmCause wish = {.kind = kind};

        if (cause->kind != ENDING_NONE &&
            (vm_cause_is_asked_for(cause) || !vm_cause_is_asked_for(&wish)))
                return false;
        cause->kind = kind;
        return true;
}

void vm_cause_set_step(VmCause *cause, VmStopStep step)
{
        cause->step = step;
}

EndingKind vm_cause_ending(const VmCause *cause, EndingKind seen)
{
        if (cause->kind == ENDING_STOPPED && cause->step == VM_STOP_KILL)
                return ENDING_KILLED;
        return cause->kind ?: seen;
}

void vm_cause_conclude(VmCause *cause)
{
        if (!vm_cause_is_asked_for(cause))
                cause->kind = ENDING_NONE;
}

void vm_cause_reset(VmCause *cause)
{
        *cause = (VmCause){};
}

void vm_cause_save(const VmCause *cause, json_object *record)
{
        bool asked = vm_cause_is_asked_for(cause);

        json_object_object_add(record, "stopRequested", json_object_new_boolean(asked));
        if (cause->kind == ENDING_EXPIRED)
                json_object_object_add(record, "expired", json_object_new_boolean(true));
        if (cause->kind != ENDING_NONE && !asked)
                json_object_object_add(record, "leaving",
                                       json_object_new_string(ending_get(cause->kind)->name));
}

void vm_cause_load(VmCause *cause, json_object *record)
{
        if (json_member_bool(record, "expired", false))
                cause->kind = ENDING_EXPIRED;
        else if (json_member_bool(record, "stopRequested", false))
                cause->kind = ENDING_STOPPED;
        else
                cause->kind = ending_parse(json_member_string(record, "leaving"));
}
