/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What launch/restart.h keeps of a CVM; it alone and this module change it. */

#include <json-c/json.h>
#include <uv.h>

#include "local/deadline.h"
#include "spec/spec.h"

typedef struct VmRestart {
        SpecRestart spec;
        bool pending;       /* it has ended, and does not run again yet */
        uint32_t in_row;    /* attempts since it ran for the whole window */
        uint32_t total;     /* attempts in its life */
        Deadline at;        /* of the next attempt, while it is pending */
        unsigned waits;     /* of the next attempt, for ports and CID that are still in use */
        int64_t began_usec; /* CLOCK_BOOTTIME when it began to run; 0: it has not, in this boot */
        uv_timer_t timer;   /* to the next attempt */
} VmRestart;

/* data: of the timer's handle. vm_restart_close() must be called before the end. */
void vm_restart_init(VmRestart *restart, uv_loop_t *loop, void *data);
void vm_restart_close(VmRestart *restart, uv_close_cb closed); /* one handle */
void vm_restart_set_policy(VmRestart *restart, const SpecRestart *policy);
/* For the record; the policy itself is in the spec. */
json_object *vm_restart_to_json(const VmRestart *restart);
/* restart: from a record. pending: of a CVM in state restarting, or starting again. */
void vm_restart_load(VmRestart *restart, json_object *recorded, bool same_boot);
void vm_restart_set_pending(VmRestart *restart, bool pending);
/* The next attempt does not come, or has begun. */
void vm_restart_stop_timer(VmRestart *restart);
