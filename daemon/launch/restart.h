/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What follows the end of a CVM that was not stopped: `restart` of cvm-spec(5), and a client's
 * Restart, which is the same without a backoff.
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
/* Whether a client's Restart can succeed as far as can be known before anything is stopped.
 * WrongState: it is being launched for the first time, stopped for good, or has ended; SecretsGone;
 * InvalidSpec: it has a file of which only a descriptor was known. */
int restart_check(const Manager *manager, const Vm *vm, CvmError *error);
/* Whether it is restarting, and the next attempt has not begun. */
bool restart_waits(const Vm *vm);
/* Restarts a CVM that restart_check() accepts: stops it as vm_stop() does, and launches it again at
 * once, whatever its policy is. One that waits for its next attempt is launched now; one that is
 * being launched again is left alone. If the launch fails, its policy decides. */
void restart_request(Vm *vm, bool force, uint32_t powerdown_sec);
/* It runs again. */
void restart_done(Vm *vm);

/* Keeps the paths of files that came by descriptor, if they have any: a later launch has nothing
 * else. */
void restart_note_paths(Vm *vm, const Loaded *loaded);
