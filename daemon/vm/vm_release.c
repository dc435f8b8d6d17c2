/* SPDX-License-Identifier: Apache-2.0 */

/* What a CVM gives back at its end. */

#include <string.h>

#include "base/fail_point.h"
#include "base/file.h"
#include "base/tree.h"
#include "local/log.h"
#include "vm/charges.h"
#include "vm/confine.h"
#include "vm/home.h"
#include "vm/shares.h"

void vm_release_directory(Vm *vm)
{
        int r;

        vm_process_close_directory(&vm->process);
        r = tree_remove_at(vm->home->vms_fd, vm->id);
        if (r < 0)
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id,
                         "cannot remove its sockets in %s/vms/%s: %s", vm->home->runtime_path,
                         vm->id, strerror(-r));
}

void vm_release_artifacts(Vm *vm)
{
        charges_drop_artifacts(vm);
        vm_boot_release(&vm->boot, vm->home->files);
}

/* Here and not in a worker: that a CVM has ended is reported only once its secrets are wiped. */
void vm_release_shares(Vm *vm)
{
        int r = shares_wipe(vm->home->shares_fd, vm->id);

        charges_drop_secrets(vm);
        if (r < 0)
                log_emit(LOG_LEVEL_ERROR, vm->name, vm->id,
                         "cannot remove its environment and certificates in %s/shares/%s: %s",
                         vm->home->runtime_path, vm->id, strerror(-r));
}

void vm_release_process(Vm *vm)
{
        fail_point("vm: to be released");
        vm_reserved_drop_holds(&vm->reserved);
        vm_process_end_companions(&vm->process);
        confine_end(vm);
        vm_release_directory(vm);
}

void vm_release(Vm *vm)
{
        vm_release_process(vm);
        fail_point("vm: without sockets");
        vm_release_artifacts(vm);
        vm_release_shares(vm);
}
