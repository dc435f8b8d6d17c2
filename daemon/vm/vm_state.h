/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* In which state a CVM is, and why it is being ended. */

#include <json-c/json.h>
#include <stdbool.h>

#include "base/ending.h"

typedef enum VmState {
        VM_PREPARING, /* admitted; artifacts, shares and plan are being made; no process yet */
        VM_STARTING,  /* the hypervisor's process is on record; it has not answered yet */
        VM_RUNNING,   /* the guest's CPUs run */
        VM_PAUSED, /* the guest's CPUs are paused: --paused before its first instruction, Pause, or
                    * a disk's failure */
        VM_STOPPING,   /* asked to end; powerdown, quit, SIGKILL follow each other */
        VM_RESTARTING, /* gone, and to be launched again; see restart.h */
        VM_STOPPED,    /* ended normally, by the guest or a client; kept until removed */
        VM_FAILED,     /* ended abnormally; kept until removed */
        _VM_STATE_MAX,
} VmState;

const char *vm_state_name(VmState state);
/* Returns 0 or -EINVAL. */
int vm_state_parse(const char *name, VmState *ret);
/* Whether resources are reserved for it: in every state before stopped and failed. */
bool vm_state_is_live(VmState state);

/* Each follows the one before it. */
typedef enum VmStopStep {
        VM_STOP_NONE,
        VM_STOP_POWERDOWN,
        VM_STOP_QUIT,
        VM_STOP_KILL,
} VmStopStep;

/* Changed by this module alone. */
typedef struct VmCause {
        /* ENDING_STOPPED: a client ends it; ENDING_EXPIRED: its time to live is over;
         * ENDING_RESTART_REQUESTED: a client ends it, and it is launched again; any other: its
         * hypervisor is asked to end because the guest has ended so; ENDING_NONE: it is not
         * being ended. */
        EndingKind kind;
        VmStopStep step;
        uint32_t powerdown_sec; /* from the power button to quit; 0: the CVM's own */
} VmCause;

/* Notes why the CVM ends. Returns whether this is the cause from now on: an end for good replaces a
 * restart that was requested, and both replace what the guest did; of two that are equal the first
 * one stays. */
bool vm_cause_note(VmCause *cause, EndingKind kind);
void vm_cause_set_step(VmCause *cause, VmStopStep step);
/* seconds: not 0. */
void vm_cause_set_powerdown(VmCause *cause, uint32_t seconds);
/* Whether a client or the time to live ends it: nothing is to follow. */
bool vm_cause_is_asked_for(const VmCause *cause);
/* How it has ended, where the driver has seen it end like that. */
EndingKind vm_cause_ending(const VmCause *cause, EndingKind seen);
/* It has ended: what its guest did is reported. What was asked for is not forgotten. */
void vm_cause_conclude(VmCause *cause);
/* It is launched again. */
void vm_cause_reset(VmCause *cause);
/* Its members of a record: stopRequested, expired, leaving, stopPowerdownSec. */
void vm_cause_save(const VmCause *cause, json_object *record);
void vm_cause_load(VmCause *cause, json_object *record);
