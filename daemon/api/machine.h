/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A running CVM as a machine of systemd-machined: registered (machined.h), and controlled through a
 * socket of its own, RUNTIME/machines/ID, that serves io.systemd.MachineInstance to those who may
 * see the CVM.
 *
 * Only a CVM with a scope is a machine: to terminate a machine is to stop its leader's unit.
 */

#include "manager/manager.h"

typedef struct Machines Machines;

/* For a root daemon under systemd whose configuration wants it, else *ret is NULL. Makes machines
 * of all CVMs that run, now and later; the manager has recovered its CVMs. runtime: RUNTIME. */
int machines_new(Manager *manager, const char *runtime, Machines **ret, CvmError *error);
/* Before the manager's end: machined forgets what is registered. */
Machines *machines_free(Machines *machines);
