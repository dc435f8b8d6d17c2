/* SPDX-License-Identifier: Apache-2.0 */

/* What a CVM's driver and companions report. */

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "local/log.h"
#include "vm/home.h"
#include "vm/record.h"

static void on_created(void *userdata)
{
        Vm *vm = userdata;

        vm_reserved_drop_holds(&vm->reserved);
        if (vm->keeper && vm->keeper->created)
                vm->keeper->created(vm, vm->keeper_userdata);
}

/* Another program (virsh, a QMP client) may pause or resume the guest. */
static void on_status(RunState state, void *userdata)
{
        Vm *vm = userdata;

        if (vm->state == VM_RUNNING && (state == RUN_STATE_PAUSED || state == RUN_STATE_IO_ERROR)) {
                vm_set_state(vm, VM_PAUSED);
        } else if (vm->state == VM_PAUSED && state == RUN_STATE_RUNNING) {
                vm_set_state(vm, VM_RUNNING);
                vm_arm_ready_timer(vm);
        }
}

static void on_adopted(RunState state, void *userdata)
{
        Vm *vm = userdata;

        log_emit(LOG_LEVEL_INFO, vm->name, vm->id, "adopted; QEMU reports %s",
                 run_state_name(state));
        on_status(state, vm);
}

/* The first report of a panic is its event: from pvpanic, a TD or the console. `detail`
 * is taken. */
static void emit_panic(Vm *vm, json_object *detail)
{
        if (!vm_guest_set_panicked(&vm->guest)) {
                json_object_put(detail);
                return;
        }
        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "the guest's kernel panicked");
        vm_emit(vm, "panic", NULL, NULL, detail);
}

static unsigned on_console(const void *data, size_t size, void *userdata)
{
        _cleanup_(vm_unrefp) Vm *vm = vm_ref(userdata);
        _cleanup_free_ char *text = NULL;
        unsigned pause = console_write(vm->console, data, size);

        if (!vm->debug || vm->removed)
                return pause;
        text = vm_guest_find_panic(&vm->guest, data, size);
        if (text)
                emit_panic(vm, json_build("console", json_new_text(text), NULL));
        return pause;
}

static unsigned on_svsm_log(const void *data, size_t size, void *userdata)
{
        Vm *vm = userdata;

        return vm->svsm_log ? console_write(vm->svsm_log, data, size) : 0;
}

static void on_notify(const void *data, size_t size, void *userdata)
{
        vm_notify(userdata, data, size);
}

static void on_panicked(json_object *info, void *userdata)
{
        emit_panic(userdata, json_object_get(info));
}

static void on_held(RunState state, const char *log, void *userdata)
{
        Vm *vm = userdata;
        bool broken = state == RUN_STATE_INTERNAL_ERROR;
        const char *status = run_state_name(state);

        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "QEMU paused the guest: %s", status);
        vm_emit(vm, broken ? "internal-error" : "note", NULL, NULL,
                json_build("text", json_new_text(broken ? log : "paused: a disk has failed"),
                           "status", json_new_text(status), NULL));
        on_status(state, vm);
}

static void on_leaving(EndingKind kind, void *userdata)
{
        Vm *vm = userdata;

        /* once it has gone nothing else could report it */
        if (vm->cause.kind == ENDING_NONE && vm_cause_note(&vm->cause, kind))
                record_write(vm);
        vm_await_quit(vm);
}

static void on_ended(const DriverEnding *ending, void *userdata)
{
        _cleanup_(vm_unrefp) Vm *vm = vm_ref(userdata);

        vm_process_close_driver(&vm->process);
        if (vm->keeper && vm->keeper->ended)
                vm->keeper->ended(vm, ending, vm->keeper_userdata);
        else
                vm_end(vm, ending);
}

const DriverCallbacks vm_driver_callbacks = {
        .created = on_created,
        .adopted = on_adopted,
        .status = on_status,
        .console = on_console,
        .svsm_log = on_svsm_log,
        .notify = on_notify,
        .panicked = on_panicked,
        .held = on_held,
        .leaving = on_leaving,
        .ended = on_ended,
};

static void on_companions_ready(void *userdata)
{
        Vm *vm = userdata;

        if (vm->keeper && vm->keeper->companions_ready)
                vm->keeper->companions_ready(vm, vm->keeper_userdata);
}

/* Without a companion the guest cannot continue: its TPM is gone, or its network. */
static void on_companion_failed(const char *reason, const char *log, void *userdata)
{
        Vm *vm = userdata;
        _cleanup_free_ char *detail = NULL;

        if (vm->keeper && vm->keeper->companion_failed) {
                vm->keeper->companion_failed(vm, reason, log, vm->keeper_userdata);
                return;
        }
        if (vm->cause.step >= VM_STOP_QUIT) /* it went with the hypervisor */
                return;
        log_emit(LOG_LEVEL_WARNING, vm->name, vm->id, "%s: the CVM is ended", reason);
        detail = text_format("%s%s%s", reason, *log ? "\n" : "", log);
        vm_set_ending(vm, ENDING_COMPANION, detail ?: reason, NULL);
        record_write(vm); /* another daemon may see the hypervisor's end */
        vm->ops->kill(vm->process.driver);
}

const CompanionCallbacks vm_companion_callbacks = {
        .ready = on_companions_ready,
        .failed = on_companion_failed,
};
