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

/* Of two causes the one with the higher rank counts. */
static unsigned vm_cause_rank(EndingKind kind)
{
        switch (kind) {
        case ENDING_NONE:
                return 0;
        case ENDING_RESTART_REQUESTED:
                return 2;
        case ENDING_STOPPED:
        case ENDING_EXPIRED:
                return 3;
        default: /* what the guest did */
                return 1;
        }
}

bool vm_cause_note(VmCause *cause, EndingKind kind)
{
        if (vm_cause_rank(kind) <= vm_cause_rank(cause->kind))
                return false;
        cause->kind = kind;
        return true;
}

void vm_cause_set_powerdown(VmCause *cause, uint32_t seconds)
{
        cause->powerdown_sec = seconds;
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
        if (cause->powerdown_sec)
                json_object_object_add(record, "stopPowerdownSec",
                                       json_object_new_int64(cause->powerdown_sec));
}

void vm_cause_load(VmCause *cause, json_object *record)
{
        int64_t seconds;

        if (json_member_bool(record, "expired", false))
                cause->kind = ENDING_EXPIRED;
        else if (json_member_bool(record, "stopRequested", false))
                cause->kind = ENDING_STOPPED;
        else
                cause->kind = ending_parse(json_member_string(record, "leaving"));
        seconds = json_member_int(record, "stopPowerdownSec", 0);
        cause->powerdown_sec = seconds > 0 && seconds <= 86400 ? (uint32_t)seconds : 0;
}
