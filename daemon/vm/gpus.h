/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* GPUs and other PCI devices that a CVM has for itself, by address; a live CVM has those that its
 * spec on record names. */

#include "vm/vm.h"

bool gpus_has(const Vm *vm, const char *address);
/* Gives the CVM one more, copied; at most SPEC_GPUS_MAX. 0 or -ENOMEM. */
int gpus_add(Vm *vm, const char *address);
/* From the record's redacted spec; false if that has what no spec can have. */
bool gpus_from_spec(Vm *vm);
