/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The way of a launch, from an admitted CVM to a running (or ready) one.
 *
 *   admitted → artifacts (worker: open with the caller's rights, copy, hash) → rendered (plan; what
 * the host lacks refuses here) → starting (shares and record written, companions and hypervisor
 * started) → running → ready
 *
 * A Launch owns itself from launch_begin() until it has answered its call. Whatever fails, and also
 * a caller that goes away before the answer, unwinds all steps: process, ports, shares, record and
 * the CVM itself are gone when the error is sent.
 */

#include "launch/load.h"
#include "vm/vm.h"
#include "wire/server.h"

typedef struct Manager Manager;

typedef struct LaunchOptions {
        bool paused, wait_ready;
        uint32_t timeout_sec; /* 0: none */
} LaunchOptions;

/* Takes spec; refs call and vm (just admitted). Always answers the call, now or later. */
void launch_begin(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec, WireCall *call,
                  const LaunchOptions *options);

/* Takes spec. Launches a restarting CVM in the name of its owner, with the artifacts that it still
 * has; kept_shares: its environment and certificates are there. Ends in restart_done() or
 * restart_failed(), now or later. */
void launch_again(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec,
                  const WirePeer *owner, bool kept_shares);

/* Ends all launches in progress as failed; stage and reason go to their callers. */
void launches_cancel(Manager *manager, const char *reason);
/* Whether one of them is not done, be it that a failed one waits for its process to be gone. */
bool launches_are_pending(const Manager *manager);
