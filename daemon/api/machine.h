/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A running CVM as a machine of systemd-machined: registered (machined.h), and controlled through a
 * socket of its own, RUNTIME/machines/ID, that serves io.systemd.MachineInstance to those who may
 * see the CVM.
 *
 * Only a CVM with a scope is one: whoever terminates a machine stops its leader's unit.
 */

#include "vm/vm.h"

/* The CVM runs, or was found running. Does nothing where there is no machined to ask. Idempotent.
 */
void machine_begin(Vm *vm);
/* Also of one that never began. */
void machine_end(Vm *vm);

/* For a root daemon under systemd whose configuration wants it: sets manager->machined. Opens the
 * sockets' directory. */
int machines_init(Manager *manager, const char *runtime, CvmError *error);
void machines_done(Manager *manager);
