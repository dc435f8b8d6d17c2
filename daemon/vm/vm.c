/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm.h"

#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "vm/home.h"

static void vm_timers_closed(void *vm)
{
        vm_unref(vm);
}

bool vm_id_is_valid(const char *id)
{
        if (strlen(id) != 36)
                return false;
        for (size_t i = 0; i < 36; i++) {
                bool dash = i == 8 || i == 13 || i == 18 || i == 23;

                if (dash ? id[i] != '-' : !strchr("0123456789abcdef", id[i]))
                        return false;
        }
        return true;
}

Vm *vm_new(VmHome *home, const char *name, const char *id, const char *platform, uid_t owner,
           gid_t owner_group)
{
        Vm *vm = calloc(1, sizeof(*vm));

        if (!vm)
                return NULL;
        vm->n_ref = 1;
        vm->home = home;
        vm->name = strdup(name);
        vm->id = strdup(id);
        vm->platform = strdup(platform);
        vm->owner = owner;
        vm->account = subuids_account(home->config ? home->config->subuids : NULL, owner);
        vm->owner_group = owner_group;
        vm->created_at = clock_now_usec();
        vm_reserved_init(&vm->reserved);
        vm_process_init(&vm->process);
        vm_guest_init(&vm->guest, home->loop, vm);
        vm_restart_init(&vm->restart, home->loop, vm);
        uv_timer_init(home->loop, &vm->stop_timer);
        uv_timer_init(home->loop, &vm->expiry_timer);
        vm->stop_timer.data = vm->expiry_timer.data = vm;
        handles_init(&vm->timers, VM_GUEST_TIMERS + 3, vm_timers_closed, vm_ref(vm));
        if (vm_boot_init(&vm->boot) < 0 || !vm->name || !vm->id || !vm->platform) {
                vm_close(vm);
                return vm_unref(vm);
        }
        return vm;
}

DriverHome *vm_driver_home(const Vm *vm)
{
        return drivers_home(&vm->home->drivers, vm->ops);
}

gid_t vm_gid(const Vm *vm)
{
        const DriverHome *driver = vm_driver_home(vm);

        return driver && driver->uid ? driver->gid : vm->reserved.uid;
}

ArtifactFiles *vm_files(const Vm *vm)
{
        return vm->ops->traits.by_path ? vm->home->files : NULL;
}

Vm *vm_ref(Vm *vm)
{
        vm->n_ref++;
        return vm;
}

Vm *vm_unref(Vm *vm)
{
        if (!vm || --vm->n_ref > 0)
                return NULL;
        list_clear(&vm->watches);
        vm_reserved_done(&vm->reserved);
        vm_boot_done(&vm->boot);
        vm_process_done(&vm->process);
        vm_guest_done(&vm->guest);
        vm_stages_done(&vm->stages);
        console_free(vm->console);
        console_free(vm->svsm_log);
        json_object_put(vm->spec);
        json_object_put(vm->request);
        json_object_put(vm->labels);
        json_object_put(vm->paths);
        free(vm->owner_groups);
        free(vm->ending.reason);
        free(vm->ending.detail);
        free(vm->platform);
        free(vm->id);
        free(vm->name);
        free(vm);
        return NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
        Vm *vm = handle->data;

        handles_closed(&vm->timers);
}

static void vm_notify_watches(Vm *vm, List *watches)
{
        VmWatch *watch;

        list_foreach (watch, watches, item)
                watch->changed(vm, watch->userdata);
}

void vm_tell_watchers(Vm *vm)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);

        vm_notify_watches(pin, &pin->watches);
        vm_notify_watches(pin, &pin->home->watches);
}

void vm_emit(const Vm *vm, const char *kind, const char *old_state, const char *new_state,
             json_object *detail)
{
        const EventSubject subject = {vm->owner, vm->name, vm->id, vm->platform, vm->labels};

        metrics_count_event(&vm->home->metrics, kind);
        events_emit(vm->home->events, &subject, kind, old_state, new_state, detail);
}

void vm_close(Vm *vm)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);

        if (uv_is_closing((uv_handle_t *)&vm->stop_timer))
                return;
        vm_process_close_driver(&vm->process);
        vm_process_close_companions(&vm->process);
        vm->removed = true;
        vm_notify_watches(pin, &pin->home->watches);
        vm_notify_watches(pin, &pin->watches);
        uv_close((uv_handle_t *)&vm->stop_timer, on_timer_closed);
        vm_guest_close(&vm->guest, on_timer_closed);
        vm_restart_close(&vm->restart, on_timer_closed);
        uv_close((uv_handle_t *)&vm->expiry_timer, on_timer_closed);
}

void vm_entrust(Vm *vm, const VmKeeper *keeper, void *userdata)
{
        vm->keeper = keeper;
        vm->keeper_userdata = userdata;
}

void vm_watch(Vm *vm, VmWatch *watch)
{
        list_add(&vm->watches, &watch->item);
}

void vm_watch_all(VmHome *home, VmWatch *watch)
{
        list_add(&home->watches, &watch->item);
}

void vm_unwatch(VmWatch *watch)
{
        list_remove(&watch->item);
}
