/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "local/clock.h"
#include "vm/home.h"

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
        vm->owner_group = owner_group;
        vm->reserved.vsock_fd = vm->process.runtime_dirfd = -1;
        vm->created_at = clock_now_usec();
        vm->boot.measured.registers = json_object_new_object();
        uv_timer_init(home->loop, &vm->stop_timer);
        uv_timer_init(home->loop, &vm->guest.ready_timer);
        uv_timer_init(home->loop, &vm->guest.status_timer);
        uv_timer_init(home->loop, &vm->restart.timer);
        uv_timer_init(home->loop, &vm->expiry_timer);
        vm->open_timers = 5;
        vm->stop_timer.data = vm->guest.ready_timer.data = vm->guest.status_timer.data = vm;
        vm->restart.timer.data = vm->expiry_timer.data = vm;
        vm->n_ref++; /* the timers' */
        if (!vm->name || !vm->id || !vm->platform || !vm->boot.measured.registers) {
                vm_close(vm);
                return vm_unref(vm);
        }
        return vm;
}

Vm *vm_ref(Vm *vm)
{
        vm->n_ref++;
        return vm;
}

void vm_drop_holds(Vm *vm)
{
        for (size_t i = 0; vm->reserved.holds && i < vm->reserved.n_forwards; i++)
                port_hold_release(&vm->reserved.holds[i]);
        if (vm->reserved.vsock_fd >= 0)
                close(TAKE_FD(vm->reserved.vsock_fd));
}

Vm *vm_unref(Vm *vm)
{
        if (!vm || --vm->n_ref > 0)
                return NULL;
        vm_drop_holds(vm);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                artifact_unref(vm->boot.artifacts[i]);
                free(vm->boot.sha256[i]);
                free(vm->boot.names[i]);
                free(vm->boot.held[i]);
        }
        for (size_t i = 0; i < vm->reserved.n_forwards; i++)
                free(vm->reserved.forwards[i].address);
        free(vm->reserved.forwards);
        free(vm->reserved.holds);
        free(vm->reserved.disks);
        for (size_t i = 0; i < vm->reserved.n_gpus; i++)
                free(vm->reserved.gpus[i]);
        if (vm->process.runtime_dirfd >= 0)
                close(vm->process.runtime_dirfd);
        console_free(vm->console);
        console_free(vm->svsm_log);
        measured_done(&vm->boot.measured);
        json_object_put(vm->boot.binding);
        json_object_put(vm->spec);
        buffer_done(&vm->guest.notify);
        free(vm->owner_groups);
        free(vm->leaving);
        free(vm->ending.reason);
        free(vm->ending.detail);
        free(vm->guest.status);
        free(vm->process.scope);
        free(vm->platform);
        free(vm->id);
        free(vm->name);
        free(vm);
        return NULL;
}

static void on_timer_closed(uv_handle_t *handle)
{
        Vm *vm = handle->data;

        if (--vm->open_timers == 0)
                vm_unref(vm);
}

static void tell(Vm *vm, VmWatch *watches)
{
        for (VmWatch *watch = watches, *next; watch; watch = next) {
                next = watch->next;
                watch->changed(vm, watch->userdata);
        }
}

void vm_tell_watchers(Vm *vm)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);

        tell(pin, pin->watches);
        tell(pin, pin->home->watches);
}

void vm_emit(const Vm *vm, const char *kind, const char *old_state, const char *new_state,
             json_object *detail)
{
        events_emit(vm->home->events, vm->owner, vm->name, vm->id, kind, old_state, new_state,
                    detail);
}

void vm_close(Vm *vm)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);

        if (uv_is_closing((uv_handle_t *)&vm->stop_timer))
                return;
        if (vm->process.driver)
                vm->ops->close(TAKE_PTR(vm->process.driver));
        companions_close(TAKE_PTR(vm->process.companions));
        vm->removed = true;
        tell(pin, pin->home->watches);
        tell(pin, pin->watches);
        uv_close((uv_handle_t *)&vm->stop_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->guest.ready_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->guest.status_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->restart.timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->expiry_timer, on_timer_closed);
}

void vm_entrust(Vm *vm, const VmKeeper *keeper, void *userdata)
{
        vm->keeper = keeper;
        vm->keeper_userdata = userdata;
}

static void watch_begin(VmWatch **watches, VmWatch *watch)
{
        watch->next = *watches;
        watch->link = watches;
        if (watch->next)
                watch->next->link = &watch->next;
        *watches = watch;
}

void vm_watch(Vm *vm, VmWatch *watch)
{
        watch_begin(&vm->watches, watch);
}

void vm_watch_all(VmHome *home, VmWatch *watch)
{
        watch_begin(&home->watches, watch);
}

void vm_unwatch(VmWatch *watch)
{
        if (!watch->link)
                return;
        *watch->link = watch->next;
        if (watch->next)
                watch->next->link = watch->link;
        watch->link = NULL;
}
