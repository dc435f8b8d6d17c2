/* SPDX-License-Identifier: Apache-2.0 */

/* The course of a CVM's life: from state to state, how it is stopped, what it gives back at its
 * end. */

#include <assert.h>
#include <string.h>
#include <sys/param.h>

#include "base/clock.h"
#include "base/ending.h"
#include "base/fail_point.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "local/log.h"
#include "vm/charges.h"
#include "vm/confine.h"
#include "vm/home.h"
#include "vm/record.h"
#include "vm/shares.h"

#define STOP_PRESS_MSEC UINT64_C(2000) /* between two presses of the power button */
#define STOP_PRESSES 15                /* a guest that takes longer to boot is not pressed again */
#define DETAIL_TEXT_MAX 512u           /* bytes of an ending that its event has */

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

void vm_end(Vm *vm, const DriverEnding *ending)
{
        VmState state = vm_conclude(vm, ending);

        vm_release(vm);
        vm_set_state(vm, state);
}

static void stop_next(Vm *vm);
static void stop_press(Vm *vm);

static void on_stop_timer(uv_timer_t *timer)
{
        Vm *vm = timer->data;

        if (vm->cause.step == VM_STOP_POWERDOWN && uv_now(timer->loop) < vm->stop_until_msec)
                stop_press(vm);
        else
                stop_next(vm);
}

/* A guest whose kernel is not up yet does not see the power button, and nothing says so: until it
 * has reported READY the button is pressed again, some times. The first press after READY is the
 * last one: no press before it may have been seen. */
static void stop_press(Vm *vm)
{
        uint64_t now = uv_now(vm->stop_timer.loop);
        uint64_t left = vm->stop_until_msec > now ? vm->stop_until_msec - now : 0;

        vm->ops->powerdown(vm->process.driver);
        if (!vm->guest.ready && ++vm->stop_presses < STOP_PRESSES)
                left = MIN(left, STOP_PRESS_MSEC);
        uv_timer_start(&vm->stop_timer, on_stop_timer, left, 0);
}

/* Each step gives the one before it its time; SIGKILL cannot be refused. */
static void stop_next(Vm *vm)
{
        uint32_t seconds = 0;

        switch (vm->cause.step) {
        case VM_STOP_NONE:
                vm_cause_set_step(&vm->cause, VM_STOP_POWERDOWN);
                seconds = vm->cause.powerdown_sec ?: vm->powerdown_sec;
                vm->stop_until_msec = uv_now(vm->stop_timer.loop) + (uint64_t)seconds * 1000;
                vm->stop_presses = 0;
                stop_press(vm);
                return;
        case VM_STOP_POWERDOWN:
                vm_cause_set_step(&vm->cause, VM_STOP_QUIT);
                vm->ops->quit(vm->process.driver);
                seconds = vm->quit_sec;
                break;
        case VM_STOP_QUIT:
                log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "QEMU does not quit: killed");
                vm_cause_set_step(&vm->cause, VM_STOP_KILL);
                vm->ops->kill(vm->process.driver);
                break;
        case VM_STOP_KILL:
                break;
        }
        if (seconds)
                uv_timer_start(&vm->stop_timer, on_stop_timer, (uint64_t)seconds * 1000, 0);
}

void vm_await_quit(Vm *vm)
{
        if (vm->cause.step >= VM_STOP_QUIT)
                return;
        vm_cause_set_step(&vm->cause, VM_STOP_QUIT);
        uv_timer_start(&vm->stop_timer, on_stop_timer, (uint64_t)vm->quit_sec * 1000, 0);
}

/* For the first time: one that is launched again is restarting. */
static bool is_launching(const Vm *vm)
{
        return (vm->state == VM_PREPARING || vm->state == VM_STARTING) && !vm->restart.pending;
}

/* There is no guest to ask: the launch or restart that is in charge gives up its work. */
static void cancel(Vm *vm, EndingKind why)
{
        const char *reason = why == ENDING_EXPIRED ? "the CVM's time to live is over"
                             : vm->restart.pending ? "the CVM was stopped before it ran again"
                                                   : "the CVM was stopped before it ran";

        if (vm->keeper && vm->keeper->cancel)
                vm->keeper->cancel(vm, reason, vm->keeper_userdata);
}

/* The power button first, unless that is asked for or in vain. What follows is on record first. */
static void stop_guest(Vm *vm, bool force, bool is_new_cause)
{
        bool paused = vm->state == VM_PAUSED; /* it cannot act on the power button */

        if (vm->state == VM_RUNNING || vm->state == VM_PAUSED)
                vm_set_state(vm, VM_STOPPING);
        else if (vm->state == VM_STOPPING && is_new_cause)
                (void)record_write(vm); /* a failure is logged */
        if (vm->state != VM_STOPPING || !vm->process.driver)
                return;
        if ((force || paused) && vm->cause.step < VM_STOP_POWERDOWN)
                vm_cause_set_step(&vm->cause, VM_STOP_POWERDOWN);
        else if (!force && vm->cause.step != VM_STOP_NONE)
                return; /* a second, patient Stop waits for the first */
        else if (force && vm->cause.step > VM_STOP_POWERDOWN)
                return;
        stop_next(vm);
}

void vm_stop(Vm *vm, EndingKind why, bool force, uint32_t powerdown_sec)
{
        bool is_new_cause;

        if (is_launching(vm)) { /* it fails, and is undone as far as launch.h says */
                cancel(vm, why);
                return;
        }
        is_new_cause = vm_cause_note(&vm->cause, why);
        if (powerdown_sec)
                vm_cause_set_powerdown(&vm->cause, powerdown_sec);
        if (vm->restart.pending)
                cancel(vm, why);
        else
                stop_guest(vm, force, is_new_cause);
}

static void on_expiry_timer(uv_timer_t *timer)
{
        Vm *vm = timer->data;

        if (deadline_left_usec(&vm->expires) > 0) {
                vm_arm_expiry(vm);
                return;
        }
        log_emit(LOG_LEVEL_INFO, vm->name, vm->id, "the CVM's time to live is over");
        vm_stop(vm, ENDING_EXPIRED, false, 0);
}

void vm_arm_expiry(Vm *vm)
{
        if (deadline_is_set(&vm->expires))
                deadline_arm(&vm->expires, &vm->expiry_timer, on_expiry_timer);
}
