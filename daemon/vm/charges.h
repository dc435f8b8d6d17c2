/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a CVM's owner is charged for it of the host's memory, in the ledgers (local/ledger.h).
 *
 * A CVM's artifacts count from its launch to its end; bytes that several CVMs of a user boot from
 * count once, for they are one memory file. Embedded artifacts are not counted. A CVM in a
 * record counts as its record says. Only the event loop uses it.
 */

#include "vm/vm.h"

/* What was reserved of an artifact for an account becomes the CVM's, whose digest of that kind is
 * set. */
void charge_artifact(Vm *vm, SpecArtifactKind kind, uint64_t bytes, uid_t account);
/* Reserved secrets become the CVM's. */
void charge_secrets(Vm *vm, uint64_t bytes);
/* What the record says that it has. */
void charges_recover(Vm *vm);
/* Its account is another from now on. */
void charges_move(Vm *vm, uid_t account);
/* It has none of them any more. */
void charges_drop_artifacts(Vm *vm);
void charges_drop_secrets(Vm *vm);
/* Likewise the artifacts that an earlier daemon has loaded, which went with its QEMU. */
void charges_drop_lost(Vm *vm);
