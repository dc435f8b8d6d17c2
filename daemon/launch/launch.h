/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A launch: from a spec to a running (or ready) CVM, or from a CVM that is to run again to the
 * same. launch.c has the table of its steps.
 *
 * A Launch owns itself from launch_begin() until it has answered its call. If a step fails, or the
 * caller goes away before the answer (which waits until the disk has what it says), the steps are
 * undone in reverse: process, ports and shares are gone when the error is sent, and so are record
 * and CVM, unless the hypervisor was let run: then the CVM is kept as failed, with its logs
 * (`remove` of the spec may say otherwise). A CVM that ran before is not removed: restart.h tries
 * again.
 *
 * An ended CVM of the same name is on the shelf of the table until the hypervisor is let run; then
 * it is removed. So one of the two is there at each time, also in what a daemon leaves that is
 * killed. A launch with the id of a kept failure takes that CVM's place at once, with its ending
 * and logs, which go at the same point.
 *
 * Each wait is bounded: for the worker, by the files that do not answer and the caller's patience;
 * for record, companions and hypervisor, by the CVM's start_sec each; for READY, by its ready_sec;
 * for the disk before the answer, by start_sec again. All together, by timeout_sec if there is one.
 */

#include "launch/load.h"
#include "vm/vm.h"
#include "wire/server.h"

typedef struct Manager Manager;

typedef struct LaunchOptions {
        bool paused, wait_ready;
        uint32_t timeout_sec;                                 /* 0: none */
        void (*admitted)(const WireCall *call, const Vm *vm); /* called once it is; or NULL */
        /* Borrowed for launch_begin(). */
        const char *id;       /* that the CVM is to have; NULL: a new one */
        json_object *request; /* as in Admission */
} LaunchOptions;

/* Takes spec, also on failure. Returns 0 if the launch has begun: it ends the call, now or later.
 * Or a SystemError, and the call is the caller's to end. */
int launch_begin(Manager *manager, const Template *template, CvmSpec *spec, WireCall *call,
                 const LaunchOptions *options, CvmError *error);

/* Takes spec. Launches a restarting CVM in the name of its owner, with the artifacts that it still
 * has and what it must have reserved again; kept_shares: its environment and certificates are
 * there. Ends in restart_done() or
 * restart_failed(), now or later. */
void launch_again(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec,
                  const WirePeer *owner, bool kept_shares);

/* Lets those begin to start that wait for their turn and now have one: also after CVMs' accounts
 * have changed. */
void launches_give_turns(Manager *manager);
/* Ends all launches in progress as failed; stage and reason go to their callers. */
void launches_cancel(Manager *manager, const char *reason);
/* How many of these there are, and how many of them wait for their turn to start QEMU. */
void launches_count(const Manager *manager, size_t *ret_pending, size_t *ret_waiting);
/* The name of the n-th step of a launch, in their order; NULL: there are not so many. */
const char *launch_step_name(size_t n);
/* Whether one of them is not done, be it that a failed one waits for its process to be gone. */
bool launches_are_pending(const Manager *manager);
