/* SPDX-License-Identifier: Apache-2.0 */
#include "manager/ended.h"

#include <stdlib.h>

#include "manager/manager.h"
#include "vm/vm_logs.h"

struct Ended {
        Manager *manager;
        VmWatch watch;
        uv_timer_t timer;
};

static void on_ended_timer(uv_timer_t *timer)
{
        Ended *ended = timer->data;

        ended_trim(ended->manager);
}

static void on_ended_changed(Vm *vm, void *userdata)
{
        Ended *ended = userdata;

        if (!vm->removed && !vm_state_is_live(vm->state))
                uv_timer_start(&ended->timer, on_ended_timer, 0, 0);
}

Ended *ended_new(Manager *manager)
{
        Ended *ended = calloc(1, sizeof(*ended));

        if (!ended)
                return NULL;
        ended->manager = manager;
        uv_timer_init(manager->home.loop, &ended->timer);
        ended->timer.data = ended;
        ended->watch = (VmWatch){.changed = on_ended_changed, .userdata = ended};
        vm_watch_all(&manager->home, &ended->watch);
        return ended;
}

static void on_ended_closed(uv_handle_t *handle)
{
        free(handle->data);
}

Ended *ended_close(Ended *ended)
{
        if (!ended)
                return NULL;
        vm_unwatch(&ended->watch);
        uv_close((uv_handle_t *)&ended->timer, on_ended_closed);
        return NULL;
}

/* By user, and of one user the newest first. */
static int ended_compare(const void *a, const void *b)
{
        const Vm *left = *(Vm *const *)a, *right = *(Vm *const *)b;

        if (left->account != right->account)
                return left->account < right->account ? -1 : 1;
        if (left->ending.at != right->ending.at)
                return left->ending.at > right->ending.at ? -1 : 1;
        return (left->created_at < right->created_at) - (left->created_at > right->created_at);
}

/* vms: sorted. */
static void ended_apply_limits(Manager *manager, Vm **vms, size_t n)
{
        const Config *config = manager->home.config;
        uint64_t bytes = 0;
        size_t kept = 0;

        for (size_t i = 0; i < n; i++) {
                Vm *vm = vms[i];

                if (i == 0 || vm->account != vms[i - 1]->account)
                        kept = bytes = 0;
                bytes += vm_logs_count(vm);
                if (kept >= config->ended_per_uid_max) {
                        manager_remove_because(manager, vm, "limit", "endedPerUid");
                } else if (kept && bytes > config->ended_log_bytes_per_uid_max) {
                        manager_remove_because(manager, vm, "limit", "endedLogBytesPerUid");
                } else {
                        kept++;
                }
        }
}

/* References of those that have ended; NULL: there is none, or no memory. */
static Vm **ended_list(const Manager *manager, size_t *ret_n)
{
        Vm **vms = NULL, *vm;
        size_t n = 0;

        VM_TABLE_FOREACH (vm, &manager->home.table)
                n += !vm_state_is_live(vm->state);
        *ret_n = 0;
        if (n)
                vms = calloc(n, sizeof(*vms));
        if (!vms)
                return NULL;
        VM_TABLE_FOREACH (vm, &manager->home.table)
                if (!vm_state_is_live(vm->state))
                        vms[(*ret_n)++] = vm_ref(vm);
        return vms;
}

/* Whether its spec says that it does not stay. A launch that failed before the guest ran has
 * removed its CVM itself. */
static bool ended_is_to_go(const Vm *vm)
{
        return vm->remove == SPEC_REMOVE_ENDED ||
               (vm->remove == SPEC_REMOVE_FAILED_LAUNCH && vm->launch_failed);
}

void ended_trim(Manager *manager)
{
        size_t n, stay = 0;
        Vm **vms = ended_list(manager, &n);

        for (size_t i = 0; i < n; i++) {
                Vm *vm = vms[i];

                if (ended_is_to_go(vm)) {
                        manager_remove_because(manager, vm, "remove", spec_remove_name(vm->remove));
                        vm_unref(vm);
                } else {
                        vms[stay++] = vm;
                }
        }
        if (stay)
                qsort(vms, stay, sizeof(*vms), ended_compare);
        ended_apply_limits(manager, vms, stay);
        for (size_t i = 0; i < stay; i++)
                vm_unref(vms[i]);
        free(vms);
}
