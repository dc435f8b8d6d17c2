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

/* Environment and certificates, some MiB of them, that a worker overwrites. */
typedef struct Wipe {
        Turn turn;
        Vm *vm; /* a reference */
        int parent_fd;
        SharesAside aside;
        bool worked;
        int r;
} Wipe;

static void vm_log_wipe(const Vm *vm, int r)
{
        if (r < 0)
                log_emit(LOG_LEVEL_ERROR, vm->name, vm->id,
                         "cannot remove its environment and certificates in %s/shares/%s: %s",
                         vm->home->runtime_path, vm->id, strerror(-r));
}

static void on_wipe(Turn *turn)
{
        Wipe *wipe = container_of(turn, Wipe, turn);

        wipe->r = shares_wipe_aside(wipe->parent_fd, &wipe->aside);
        wipe->worked = true;
}

static void on_wiped(Turn *turn)
{
        Wipe *wipe = container_of(turn, Wipe, turn);

        if (!wipe->worked) /* the daemon is ending, and no worker begins any more */
                on_wipe(turn);
        vm_log_wipe(wipe->vm, wipe->r);
        vm_unref(wipe->vm);
        free(wipe);
}

void vm_release_shares(Vm *vm)
{
        Wipe *wipe;
        SharesAside aside;
        int r;

        charges_drop_secrets(vm);
        r = shares_set_aside(vm->home->shares_fd, vm->id, &aside);
        if (r == 0 && !*aside.name)
                return;
        wipe = r == 0 ? calloc(1, sizeof(*wipe)) : NULL;
        if (!wipe) {
                vm_log_wipe(vm, r ? shares_wipe(vm->home->shares_fd, vm->id)
                                  : shares_wipe_aside(vm->home->shares_fd, &aside));
                return;
        }
        wipe->vm = vm_ref(vm);
        wipe->parent_fd = vm->home->shares_fd;
        wipe->aside = aside;
        turns_take(vm->home->turns, &wipe->turn, vm->account, on_wipe, on_wiped);
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
