/* SPDX-License-Identifier: Apache-2.0 */

/* The course of a CVM's life: from state to state, and how it ends. */

#include <assert.h>
#include <string.h>

#include "base/clock.h"
#include "base/ending.h"
#include "base/fail_point.h"
#include "base/json.h"
#include "base/text.h"
#include "local/log.h"
#include "vm/home.h"
#include "vm/record.h"

#define DETAIL_TEXT_MAX 512u /* bytes of an ending that its event has */

/* From state (row) to states (bits). */
#define TO(state) (1u << (state))
static const unsigned transitions[_VM_STATE_MAX] = {
        [VM_PREPARING] = TO(VM_STARTING) | TO(VM_FAILED),
        /* the launch of a CVM that is restarted is not undone: it is stopped or tried again */
        [VM_STARTING] =
                TO(VM_RUNNING) | TO(VM_PAUSED) | TO(VM_RESTARTING) | TO(VM_STOPPED) | TO(VM_FAILED),
        [VM_RUNNING] = TO(VM_PAUSED) | TO(VM_STOPPING) | TO(VM_RESTARTING) | TO(VM_STOPPED) |
                       TO(VM_FAILED),
        [VM_PAUSED] = TO(VM_RUNNING) | TO(VM_STOPPING) | TO(VM_RESTARTING) | TO(VM_STOPPED) |
                      TO(VM_FAILED),
        [VM_STOPPING] = TO(VM_RESTARTING) | TO(VM_STOPPED) | TO(VM_FAILED),
        [VM_RESTARTING] = TO(VM_RESTARTING) | TO(VM_STARTING) | TO(VM_STOPPED) | TO(VM_FAILED),
};

/* The first line of an ending's detail, or NULL if there is none; cut to what an event may keep. */
static json_object *state_detail_text(const char *detail)
{
        size_t size = detail ? strcspn(detail, "\r\n") : 0;
        _cleanup_free_ char *line = NULL;

        if (size > DETAIL_TEXT_MAX)
                size = text_utf8_prefix(detail, DETAIL_TEXT_MAX);
        line = size ? strndup(detail, size) : NULL;
        return line ? json_new_text(line) : NULL;
}

static json_object *state_detail(const Vm *vm)
{
        bool restarts = vm->state == VM_RESTARTING;

        if (!vm->ending.reason)
                return NULL;
        return json_build("reason", json_object_new_string(vm->ending.reason), "text",
                          state_detail_text(vm->ending.detail), "restarts",
                          restarts ? json_object_new_int64(vm->restart.total) : NULL, "restartAt",
                          restarts ? json_object_new_int64(vm->restart.at.real_usec) : NULL, NULL);
}

static void log_state(const Vm *vm, VmState old)
{
        const char *reason = vm->ending.reason;
        _cleanup_free_ char *new_field = text_format("CVM_STATE=%s", vm_state_name(vm->state));
        _cleanup_free_ char *old_field = text_format("CVM_OLD_STATE=%s", vm_state_name(old));
        _cleanup_free_ char *reason_field = reason ? text_format("CVM_REASON=%s", reason) : NULL;
        LogSubject subject = {vm->name, vm->id, LOG_MESSAGE_STATE, {}};

        if (new_field && old_field) {
                subject.fields[0] = new_field;
                subject.fields[1] = old_field;
                subject.fields[2] = reason_field;
        }
        log_about(LOG_LEVEL_INFO, &subject, "%s → %s%s%s", vm_state_name(old),
                  vm_state_name(vm->state), reason ? ": " : "", reason ?: "");
}

int vm_set_state(Vm *vm, VmState state)
{
        VmState old = vm->state;
        int r;

        assert(transitions[old] & TO(state));
        vm->state = state;
        if (state == VM_RUNNING)
                vm_guest_begin(&vm->guest);
        if (!vm_state_is_live(state) || state == VM_RESTARTING) {
                vm_guest_end(&vm->guest);
                vm_tell_status(vm);
                uv_timer_stop(&vm->stop_timer);
                vm_guest_stop_timers(&vm->guest);
                vm_restart_stop_timer(&vm->restart);
        }
        if (!vm_state_is_live(state)) {
                vm_restart_set_pending(&vm->restart, false);
                uv_timer_stop(&vm->expiry_timer);
                vm->launch_failed = vm->ready_is_awaited;
        }
        r = record_write(vm);
        fail_point("vm: state is on record");
        log_state(vm, old);
        vm_emit(vm, "state", vm_state_name(old), vm_state_name(state), state_detail(vm));
        vm_tell_watchers(vm);
        if (state == VM_RUNNING && vm->guest.early_ready && !vm->guest.ready)
                vm_become_ready(vm);
        return r;
}

void vm_load_ending(Vm *vm, const char *reason, const char *detail, const DriverEnding *driver)
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

void vm_set_ending(Vm *vm, EndingKind kind, const char *detail, const DriverEnding *driver)
{
        if (!vm->ending.reason)
                metrics_count_ending(&vm->home->metrics, kind);
        vm_load_ending(vm, ending_get(kind)->name, detail, driver);
}

void vm_clear_ending(Vm *vm)
{
        free(vm->ending.reason);
        free(vm->ending.detail);
        vm->ending = (VmEnding){};
        vm_cause_conclude(&vm->cause);
}

VmState vm_conclude(Vm *vm, const DriverEnding *ending)
{
        EndingKind kind = vm_cause_ending(&vm->cause, ending->kind);
        const Ending *known;

        vm_cause_conclude(&vm->cause);
        if (vm->restart.pending) /* the one before */
                vm_clear_ending(vm);
        /* nothing changes one that is known: a companion's end is what ended it */
        vm_set_ending(vm, kind, ending->log, ending);
        known = vm->ending.reason ? ending_find(vm->ending.reason) : ending_get(kind);
        return known->failed ? VM_FAILED : VM_STOPPED;
}

void vm_end(Vm *vm, const DriverEnding *ending)
{
        VmState state = vm_conclude(vm, ending);

        vm_release(vm);
        vm_set_state(vm, state);
}
