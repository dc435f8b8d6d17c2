/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "api/machine.h"
#include "base/ending.h"
#include "base/fail_point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "local/clock.h"
#include "local/log.h"
#include "manager/manager.h"
#include "vm/confine.h"
#include "vm/ledger.h"
#include "vm/shares.h"

static const char *const state_names[_VM_STATE_MAX] = {
        [VM_PREPARING] = "preparing", [VM_STARTING] = "starting", [VM_RUNNING] = "running",
        [VM_PAUSED] = "paused",       [VM_STOPPING] = "stopping", [VM_RESTARTING] = "restarting",
        [VM_STOPPED] = "stopped",     [VM_FAILED] = "failed",
};

/* From state (row) to states (bits). */
#define TO(state) (1u << (state))
static const unsigned transitions[_VM_STATE_MAX] = {
        [VM_PREPARING] = TO(VM_STARTING) | TO(VM_FAILED),
        /* a CVM that is started again is not taken back, but stopped or tried once more */
        [VM_STARTING] =
                TO(VM_RUNNING) | TO(VM_PAUSED) | TO(VM_RESTARTING) | TO(VM_STOPPED) | TO(VM_FAILED),
        [VM_RUNNING] = TO(VM_PAUSED) | TO(VM_STOPPING) | TO(VM_RESTARTING) | TO(VM_STOPPED) |
                       TO(VM_FAILED),
        [VM_PAUSED] = TO(VM_RUNNING) | TO(VM_STOPPING) | TO(VM_RESTARTING) | TO(VM_STOPPED) |
                      TO(VM_FAILED),
        [VM_STOPPING] = TO(VM_STOPPED) | TO(VM_FAILED),
        [VM_RESTARTING] = TO(VM_RESTARTING) | TO(VM_STARTING) | TO(VM_STOPPED) | TO(VM_FAILED),
};

const char *vm_state_name(VmState state)
{
        return state_names[state];
}

int vm_state_parse(const char *name, VmState *ret)
{
        for (VmState i = 0; i < _VM_STATE_MAX; i++)
                if (strcmp(state_names[i], name) == 0) {
                        *ret = i;
                        return 0;
                }
        return -EINVAL;
}

bool vm_state_is_live(VmState state)
{
        return state < VM_STOPPED;
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

Vm *vm_new(Manager *manager, const char *name, const char *id, const char *platform, uid_t owner,
           gid_t owner_group)
{
        Vm *vm = calloc(1, sizeof(*vm));

        if (!vm)
                return NULL;
        vm->n_ref = 1;
        vm->manager = manager;
        vm->name = strdup(name);
        vm->id = strdup(id);
        vm->platform = strdup(platform);
        vm->owner = owner;
        vm->owner_group = owner_group;
        vm->vsock_fd = vm->runtime_dirfd = -1;
        vm->created_at = clock_now_usec();
        vm->measured.registers = json_object_new_object();
        uv_timer_init(manager->loop, &vm->stop_timer);
        uv_timer_init(manager->loop, &vm->ready_timer);
        uv_timer_init(manager->loop, &vm->status_timer);
        uv_timer_init(manager->loop, &vm->restart_timer);
        uv_timer_init(manager->loop, &vm->expiry_timer);
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

void vm_tell_watchers(Vm *vm)
{
        _cleanup_(vm_unrefp) Vm *pin = vm_ref(vm);

        for (VmWatch *watch = pin->watches, *next; watch; watch = next) {
                next = watch->next;
                watch->changed(vm, watch->userdata);
        }
}

void vm_close(Vm *vm)
{
        if (uv_is_closing((uv_handle_t *)&vm->stop_timer))
                return;
        if (vm->driver)
                vm->ops->close(TAKE_PTR(vm->driver));
        companions_close(TAKE_PTR(vm->companions));
        machine_end(vm);
        vm->manager = NULL;
        vm_tell_watchers(vm);
        uv_close((uv_handle_t *)&vm->stop_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->ready_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->status_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->restart_timer, on_timer_closed);
        uv_close((uv_handle_t *)&vm->expiry_timer, on_timer_closed);
}

static json_object *state_detail(const Vm *vm)
{
        bool restarts = vm->state == VM_RESTARTING;

        if (!vm->ending.reason)
                return NULL;
        return json_build("reason", json_object_new_string(vm->ending.reason), "restarts",
                          restarts ? json_object_new_int64(vm->restart.total) : NULL, "restartAt",
                          restarts ? json_object_new_int64(vm->restart.at.real_usec) : NULL, NULL);
}

int vm_set_state(Vm *vm, VmState state)
{
        VmState old = vm->state;
        int r;

        assert(transitions[old] & TO(state));
        vm->state = state;
        if (state == VM_RUNNING && !vm->started_at)
                vm->started_at = clock_now_usec();
        if (!vm_state_is_live(state) || state == VM_RESTARTING) {
                vm->ready = vm->early_ready = false;
                vm_tell_status(vm);
                uv_timer_stop(&vm->stop_timer);
                uv_timer_stop(&vm->ready_timer);
                uv_timer_stop(&vm->status_timer);
                uv_timer_stop(&vm->restart_timer);
        }
        if (!vm_state_is_live(state)) {
                vm->restart.pending = false;
                uv_timer_stop(&vm->expiry_timer);
        }
        r = manager_persist(vm->manager, vm);
        fail_point("vm: state is on record");
        log_emit(LOG_LEVEL_INFO, vm->name, vm->id, "%s → %s%s%s", vm_state_name(old),
                 vm_state_name(state), vm->ending.reason ? ": " : "", vm->ending.reason ?: "");
        manager_emit(vm->manager, vm, "state", vm_state_name(old), vm_state_name(state),
                     state_detail(vm));
        vm_tell_watchers(vm);
        if (!vm_state_is_live(state) || state == VM_RESTARTING)
                machine_end(vm);
        else if (old == VM_STARTING)
                machine_begin(vm);
        if (state == VM_RUNNING && vm->early_ready && !vm->ready)
                vm_become_ready(vm);
        return r;
}

void vm_set_ending(Vm *vm, const char *reason, const char *detail, const DriverEnding *driver)
{
        if (vm->ending.reason)
                return;
        vm->ending = (VmEnding){
                .reason = strdup(reason),
                .detail = detail && *detail ? text_make_utf8(detail, strlen(detail)) : NULL,
                .at = clock_now_usec(),
        };
        if (driver) {
                vm->ending.has_exit_code = driver->has_exit_code;
                vm->ending.exit_code = driver->exit_code;
                vm->ending.has_signal = driver->has_signal;
                vm->ending.signal = driver->signal;
        }
}

void vm_clear_ending(Vm *vm)
{
        free(vm->ending.reason);
        free(vm->ending.detail);
        vm->ending = (VmEnding){};
        free(TAKE_PTR(vm->leaving));
}

void vm_forget_guest(Vm *vm)
{
        vm->started_at = vm->ready_at = 0;
        free(TAKE_PTR(vm->guest_status));
        buffer_done(&vm->notify);
        vm->panic_line = (PanicLine){};
        vm->panicked = false;
}

void vm_entrust(Vm *vm, const VmKeeper *keeper, void *userdata)
{
        vm->keeper = keeper;
        vm->keeper_userdata = userdata;
}

void vm_watch(Vm *vm, VmWatch *watch)
{
        watch->next = vm->watches;
        watch->link = &vm->watches;
        if (watch->next)
                watch->next->link = &watch->next;
        vm->watches = watch;
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

void vm_release_process(Vm *vm)
{
        int r;

        fail_point("vm: to be released");
        vm_drop_holds(vm);
        companions_end(TAKE_PTR(vm->companions));
        confine_end(vm);
        if (vm->runtime_dirfd >= 0)
                close(TAKE_FD(vm->runtime_dirfd));
        r = tree_remove_at(vm->manager->vms_fd, vm->id);
        if (r < 0)
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id,
                         "cannot remove its sockets in %s/vms/%s: %s", vm->manager->runtime_path,
                         vm->id, strerror(-r));
}

void vm_release(Vm *vm)
{
        int r;

        vm_release_process(vm);
        fail_point("vm: without sockets");
        ledger_drop(vm);
        for (size_t i = 0; i < _ARTIFACT_KIND_MAX; i++) {
                vm->artifacts[i] = artifact_unref(vm->artifacts[i]);
                if (vm->held[i])
                        artifact_files_drop(vm->manager->files, vm->held[i]);
                free(TAKE_PTR(vm->held[i]));
        }
        r = shares_wipe(vm->manager->shares_fd, vm->id);
        if (r < 0)
                log_emit(LOG_LEVEL_ERROR, vm->name, vm->id,
                         "cannot remove its environment and certificates in %s/shares/%s: %s",
                         vm->manager->runtime_path, vm->id, strerror(-r));
}

/* Why it ended: what was asked for before what was seen. */
static const char *end_reason(const Vm *vm, const char *leaving, const DriverEnding *ending)
{
        if (vm->expired)
                return "expired";
        if (vm->stop_requested)
                return vm->killed ? "killed" : "stopped";
        return leaving ?: ending->reason;
}

VmState vm_conclude(Vm *vm, const DriverEnding *ending)
{
        _cleanup_free_ char *leaving = TAKE_PTR(vm->leaving);
        /* a companion's end is what ended it; that of a restarting one is the end before */
        const char *reason = vm->ending.reason && !vm->restart.pending
                                     ? vm->ending.reason
                                     : end_reason(vm, leaving, ending);
        VmState state = ending_find(reason)->failed ? VM_FAILED : VM_STOPPED;

        if (vm->restart.pending) /* the one before */
                vm_clear_ending(vm);
        vm_set_ending(vm, reason, ending->log, ending);
        return state;
}

void vm_end(Vm *vm, const DriverEnding *ending)
{
        VmState state = vm_conclude(vm, ending);

        vm_release(vm);
        vm_set_state(vm, state);
}
