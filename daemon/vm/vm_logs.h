/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a CVM has written: its guest's console and, where its spec asks for it, its SVSM's log. Both
 * are kept alike (console.h), below the state directory, as ID.log and ID.svsm.log. */

#include <stdint.h>

typedef struct Vm Vm;

/* Opens the logs of a CVM whose spec is known; continues existing files. Returns 0 or -ENOMEM. */
int vm_logs_open(Vm *vm);
/* The bytes that the files of both have: of a CVM that has ended, as they are counted once. */
uint64_t vm_logs_count(Vm *vm);
/* Forgets what is in the open logs, also from a CVM of that id before; what comes is kept. */
void vm_logs_clear(const Vm *vm);
/* Of a CVM that goes: lets the disk queue remove the files of both. */
void vm_logs_remove(const Vm *vm);
