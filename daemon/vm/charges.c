/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/charges.h"

#include <string.h>

#include "vm/home.h"

/* Whether another CVM that is counted to the same user holds the same bytes. */
static bool is_shared(const Vm *vm, SpecArtifactKind kind)
{
        const Vm *other;

        VM_TABLE_FOREACH_LIVE (other, &vm->home->table)
                if (other != vm && other->account == vm->account && other->boot.bytes[kind] &&
                    other->boot.sha256[kind] && vm->boot.sha256[kind] &&
                    strcmp(other->boot.sha256[kind], vm->boot.sha256[kind]) == 0)
                        return true;
        return false;
}

void charge_artifact(Vm *vm, SpecArtifactKind kind, uint64_t bytes, uid_t account)
{
        Ledger *ledger = vm->home->artifact_ledger;

        ledger_settle(ledger, bytes);
        if (account != vm->account) { /* it was loaded for, before a reload */
                ledger_count(ledger, vm->account, bytes);
                ledger_give_back(ledger, account, bytes);
        }
        if (vm->boot.bytes[kind] || is_shared(vm, kind)) /* it has it from a run before */
                ledger_give_back(ledger, vm->account, bytes);
        vm_boot_set_bytes(&vm->boot, kind, bytes);
}

void charge_secrets(Vm *vm, uint64_t bytes)
{
        Ledger *ledger = vm->home->secret_ledger;

        ledger_settle(ledger, bytes);
        ledger_give_back(ledger, vm->account, vm->boot.secret_bytes);
        vm_boot_set_secret_bytes(&vm->boot, bytes);
}

void charges_recover(Vm *vm)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (!is_shared(vm, kind))
                        ledger_count(vm->home->artifact_ledger, vm->account, vm->boot.bytes[kind]);
        ledger_count(vm->home->secret_ledger, vm->account, vm->boot.secret_bytes);
}

void charges_move(Vm *vm, uid_t account)
{
        Ledger *artifacts = vm->home->artifact_ledger, *secrets = vm->home->secret_ledger;
        uid_t before = vm->account;

        if (account == before)
                return;
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (!is_shared(vm, kind))
                        ledger_give_back(artifacts, before, vm->boot.bytes[kind]);
        ledger_give_back(secrets, before, vm->boot.secret_bytes);
        vm->account = account;
        charges_recover(vm);
}

static void drop_artifact(Vm *vm, SpecArtifactKind kind)
{
        if (vm->boot.bytes[kind] && !is_shared(vm, kind))
                ledger_give_back(vm->home->artifact_ledger, vm->account, vm->boot.bytes[kind]);
        vm_boot_set_bytes(&vm->boot, kind, 0);
}

void charges_drop_lost(Vm *vm)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (!vm->boot.artifacts[kind])
                        drop_artifact(vm, kind);
}

void charges_drop_artifacts(Vm *vm)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                drop_artifact(vm, kind);
}

void charges_drop_secrets(Vm *vm)
{
        ledger_give_back(vm->home->secret_ledger, vm->account, vm->boot.secret_bytes);
        vm_boot_set_secret_bytes(&vm->boot, 0);
}
