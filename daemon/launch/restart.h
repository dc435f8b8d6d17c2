/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What follows the end of a CVM that nobody stopped: `restart` of cvm-spec(5).
 *
 * A CVM that shall run again becomes `restarting`: its process, scope and sockets are gone, but it
 * keeps its id, name, uid, environment and certificates, artifacts, and where it can its ports and
 * its CID. When its backoff is over it is launched again from its spec on record, in the name of
 * who launched it; what that fetches must have the recorded digests. The state and the moment are
 * on record, so that a daemon that starts later continues.
 */

#include "launch/load.h"
#include "manager/manager.h"
#include "vm/vm.h"

/* Puts restarts in charge of a CVM: what becomes of it at its end is their say. */
void restart_keep(Manager *manager, Vm *vm);
/* Its hypervisor is gone: makes it a restarting one where its policy asks for that, else its end is
 * the last. */
void restart_ended(Manager *manager, Vm *vm, const DriverEnding *ending);
/* Goes on with one that is restarting, as a record tells. */
void restart_resume(Manager *manager, Vm *vm);
/* The new launch did not come to run: the next attempt, or the end. */
void restart_failed(Manager *manager, Vm *vm, const char *detail);
/* It runs again. */
void restart_done(Vm *vm);

/* Keeps the paths of what came by descriptor, where they have any: all that a later launch has. */
void restart_note_paths(Vm *vm, const Loaded *loaded);
