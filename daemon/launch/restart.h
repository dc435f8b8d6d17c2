/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What follows the end of a CVM that was not stopped: `restart` of cvm-spec(5).
 *
 * A CVM that is to run again becomes `restarting`: its process, scope and sockets are gone, but it
 * keeps its id, name, uid, environment and certificates, artifacts and, if possible, its ports and
 * its CID. When its backoff is over it is launched again from its spec on record, with the rights
 * of the user who launched it; the artifacts must have the recorded digests. The state and the
 * moment are on record, so that a daemon that starts later continues.
 */

#include "launch/load.h"
#include "manager/manager.h"
#include "vm/vm.h"

/* Puts this module in charge of a CVM: it decides what follows its end. */
void restart_keep(Manager *manager, Vm *vm);
/* Its hypervisor is gone: makes it a restarting one where its policy asks for that, else its end is
 * the last. */
void restart_ended(Manager *manager, Vm *vm, const DriverEnding *ending);
/* Continues with a CVM that is restarting according to its record. */
void restart_resume(Manager *manager, Vm *vm);
/* The new launch did not come to run: the next attempt, or the end. */
void restart_failed(Manager *manager, Vm *vm, const char *detail);
/* It runs again. */
void restart_done(Vm *vm);

/* Keeps the paths of files that came by descriptor, if they have any: a later launch has nothing
 * else. */
void restart_note_paths(Vm *vm, const Loaded *loaded);
