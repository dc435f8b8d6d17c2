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
 * made is removed if it fails. */
int handover_directory(Vm *vm, CvmError *error);
/* Lets the hypervisor find its companions' sockets there, where it opens them by path. */
int handover_companions(Vm *vm, CvmError *error);
/* Opens the environment and the certificates that the CVM has kept. */
int handover_open_shares(const Vm *vm, Shares *ret, CvmError *error);
/* What it takes to write environment and certificates, some MiB of them, in a worker. Borrows from
 * the CVM's home, the CVM's id, the spec and what was loaded. */
typedef struct SharesOrder {
        int parent_fd;
        const char *id;
        uid_t uid;
        gid_t gid;
        bool by_path; /* its QEMU opens them by path */
        const CvmSpec *spec;
        const Loaded *loaded;
} SharesOrder;
SharesOrder handover_order_shares(const Vm *vm, const CvmSpec *spec, const Loaded *loaded);
/* In any thread. Nothing is left if it fails. */
int handover_write_shares(const SharesOrder *order, Shares *ret, CvmError *error);
/* Starts the CVM's hypervisor, which waits at its gate until its driver's go(). */
int handover_start(Vm *vm, const Handover *handover, CvmError *error);
