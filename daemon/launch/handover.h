/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a launch hands to the hypervisor: the directories with environment and certificates, and the
 * descriptors that its plan asks for. */

#include "launch/load.h"
#include "local/tap.h"
#include "vm/shares.h"
#include "vm/vm.h"

/* All borrowed. */
typedef struct Handover {
        const CvmSpec *spec;
        const LaunchPlan *plan;
        const Loaded *loaded;
        const Shares *shares;
        Tap tap;
} Handover;

/* Makes and opens the CVM's private directory for its sockets, unless that is done. What it has
 * made is removed if it fails, as with handover_shares(). */
int handover_directory(Vm *vm, CvmError *error);
/* Lets the hypervisor find its companions' sockets there, where it opens them by path. */
int handover_companions(Vm *vm, CvmError *error);
/* Writes environment and certificates, or opens those that the CVM has kept. */
int handover_shares(Vm *vm, const CvmSpec *spec, const Loaded *loaded, bool kept, Shares *ret,
                    CvmError *error);
/* Starts the CVM's hypervisor, which is held until its driver's go(). */
int handover_start(Vm *vm, const Handover *handover, CvmError *error);
