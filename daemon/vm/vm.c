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
        vm->vsock_fd = vm->runtime_dirfd = -1;
        vm->created_at = clock_now_usec();
        vm->measured.registers = json_object_new_object();
        uv_timer_init(home->loop, &vm->stop_timer);
        uv_timer_init(home->loop, &vm->ready_timer);
        uv_timer_init(home->loop, &vm->status_timer);
        uv_timer_init(home->loop, &vm->restart_timer);
        uv_timer_init(home->loop, &vm->expiry_timer);
        vm->open_timers = 5;
        vm->stop_timer.data = vm->ready_timer.data = vm->status_timer.data = vm;
        vm->restart_timer.data = vm->expiry_timer.data = vm;
        vm->n_ref++; /* the timers' */
        if (!vm->name || !vm->id || !vm->platform || !vm->measured.registers) {
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
        for (size_t i = 0; vm->holds && i < vm->n_forwards; i++)
                port_hold_release(&vm->holds[i]);
        if (vm->vsock_fd >= 0)
                close(TAKE_FD(vm->vsock_fd));
}

Vm *vm_unref(Vm *vm)
{
        if (!vm || --vm->n_ref > 0)
                return NULL;
        vm_drop_holds(vm);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                artifact_unref(vm->artifacts[i]);
                free(vm->artifact_sha256[i]);
                free(vm->artifact_name[i]);
                free(vm->held[i]);
        }
        for (size_t i = 0; i < vm->n_forwards; i++)
                free(vm->forwards[i].address);
        free(vm->forwards);
        free(vm->holds);
        free(vm->disks);
        for (size_t i = 0; i < vm->n_gpus; i++)
                free(vm->gpus[i]);
        if (vm->runtime_dirfd >= 0)
                close(vm->runtime_dirfd);
        console_free(vm->console);
        console_free(vm->svsm_log);
        measured_done(&vm->measured);
        json_object_put(vm->binding);
        json_object_put(vm->spec);
        buffer_done(&vm->notify);
        free(vm->owner_groups);
        free(vm->leaving);
        free(vm->ending.reason);
        free(vm->ending.detail);
        free(vm->guest_status);
        free(vm->scope);
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
        if (vm->driver)
                vm->ops->close(TAKE_PTR(vm->driver));
        companions_close(TAKE_PTR(vm->companions));
        vm->removed = true;
        tell(pin, pin->home->watches);
        tell(pin, pin->watches);
        uv_close((uv_handle_t *)&vm->stop_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->ready_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->status_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->restart_timer, on_timer_closed);
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
