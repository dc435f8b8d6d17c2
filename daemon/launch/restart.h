/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What follows the end of a CVM that nobody stopped: `restart` of cvm-spec(5).
 *
 * A CVM that shall run again becomes `restarting`: its process, scope and sockets are gone, but it
 * keeps its id, name, uid, environment and certificates, artifacts, and where it can its ports and
 * its CID. When its backoff is over it is launched again from its spec on record, in the name of
 * who launched it; what that fetches must have the recorded digests. The state and the moment are
 * on record, so that a daemon that starts later goes on.
 */

#include "launch/launch.h"
#include "vm/vm.h"

typedef enum RestartVerdict {
        RESTART_NONE,     /* nobody wants one: the end is the last one */
        RESTART_AGAIN,    /* the policy asks for one */
        RESTART_GIVEN_UP, /* it does, but its limit of attempts in a row is reached */
} RestartVerdict;

/* What follows this end. state: what the reason alone makes of it. */
RestartVerdict restart_judge(const Vm *vm, VmState state, const char *reason);
/* Makes a CVM that has ended a restarting one. */
void restart_begin(Vm *vm);
/* Goes on with one that is restarting, as a record tells. */
void restart_resume(Vm *vm);
/* The new launch did not come to run: the next attempt, or the end. */
void restart_failed(Vm *vm, const char *detail);
/* It runs again. */
void restart_done(Vm *vm);

/* Keeps the paths of what came by descriptor, where they have any: all that a later launch has. */
void restart_note_paths(Vm *vm, const Loaded *loaded);
