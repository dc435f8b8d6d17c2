/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Changes of a live CVM that a client asks for: its time to live, its restart policy, its labels,
 * and two limits of its control group.
 *
 * All of an update happens or nothing does. systemd is asked for other limits first, bounded, while
 * the loop continues; then the spec on record and the CVM change together. While systemd is asked,
 * the record says so: a daemon that follows one that was killed meanwhile gives the control group
 * the limits that are on record (confine_restore_limits()).
 */

#include "manager/manager.h"
#include "vm/vm.h"

#define UPDATE_KEEPS UINT32_MAX /* a number that stays as it is */

typedef struct UpdateChanges {
        uint32_t ttl_sec;              /* 0: none */
        uint32_t cpu_weight;           /* 0: none */
        char *memory_high;             /* owned, as in a spec; "0": none; NULL stays as it is */
        json_object *restart, *labels; /* borrowed; NULL stay as they are */
} UpdateChanges;

/* error: NULL, or why nothing was changed; borrowed. */
typedef void (*UpdateDone)(Vm *vm, CvmError *error, void *userdata);

/* Changes the CVM for the peer. Returns 0, and `done` is called once, now or later; or -errno, and
 * it is not: WrongState (neither running, nor paused, nor waiting for a restart), InvalidSpec,
 * HostNotReady (it has no scope whose limits could change), SystemError. Later errors: SystemError,
 * Timeout, WrongState. What `changes` refers to is only used, or copied, during the call. */
int update_begin(Manager *manager, Vm *vm, const UpdateChanges *changes, const WirePeer *peer,
                 UpdateDone done, void *userdata, CvmError *error);
