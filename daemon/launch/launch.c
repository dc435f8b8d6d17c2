/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch_internal.h"

#include <assert.h>

#include "base/text.h"
#include "launch/admission.h"
#include "launch/reserve.h"
#include "launch/restart.h"
#include "manager/manager.h"

static int launch_admit(Launch *launch);
static bool launch_expel(Launch *launch);

/*
 * A launch, from the top: name, stage of an error, stage that is reported once it is done, begin,
 * undo. launch_course.c takes them in this order. If one fails, or the caller goes before the
 * answer, it takes them backwards from the one that has begun last.
 */
static const LaunchStep steps[_LAUNCH_STEP_MAX] = {
        /* name, uid, CID, ports, GPUs and memory are reserved, and the record is written */
        [LAUNCH_ADMITTED] = {"admitted", "admitted", "admitted", launch_admit, launch_expel},
        /* a worker opens files with the caller's rights, copies and hashes them */
        [LAUNCH_ARTIFACTS] = {"artifacts", "artifacts", "artifacts", launch_load, launch_unload},
        /* of its user's launches not too many start QEMU at once */
        [LAUNCH_TURN] = {"turn", "rendered", NULL, launch_await_turn, launch_end_turn},
        /* the plan; what host and QEMU lack refuses here */
        [LAUNCH_RENDERED] = {"rendered", "rendered", "rendered", launch_render, NULL},
        [LAUNCH_NETWORK] = {"network", "starting", "starting", launch_open_network,
                            launch_close_network},
        /* the private directory; environment and certificates */
        [LAUNCH_SHARES] = {"shares", "starting", NULL, launch_write_shares, launch_wipe_shares},
        /* on record before they run; ready once their channels are connected */
        [LAUNCH_COMPANIONS] = {"companions", "starting", NULL, launch_start_companions,
                               launch_end_companions},
        /* waits at its gate */
        [LAUNCH_HYPERVISOR] = {"hypervisor", "starting", NULL, launch_start_hypervisor,
                               launch_end_hypervisor},
        [LAUNCH_SCOPE] = {"scope", "starting", NULL, launch_enter_scope, launch_ask_no_scope},
        /* the record that names it is on the disk */
        [LAUNCH_RECORDED] = {"recorded", "starting", NULL, launch_await_record,
                             launch_await_no_record},
        /* the gate is open, and the hypervisor has answered */
        [LAUNCH_CREATED] = {"created", "starting", NULL, launch_open_gate, launch_stop_start_timer},
        [LAUNCH_RESUMED] = {"resumed", "starting", NULL, launch_resume, NULL},
        /* restart.h is in charge of the CVM from here on */
        [LAUNCH_RUNNING] = {"running", "starting", "running", launch_run, launch_take_charge},
        [LAUNCH_READY] = {"ready", "ready", "ready", launch_await_ready, NULL},
        /* what the answer says is on the disk */
        [LAUNCH_ANSWERED] = {"answered", "answered", NULL, launch_answer, launch_await_no_record},
};

/* From now on the CVM's launch is in progress. */
static void launch_join(Launch *launch, Vm *vm)
{
        launch->vm = vm_ref(vm);
        launch->watch = (VmWatch){.changed = launch_on_vm_changed, .userdata = launch};
        vm_watch(vm, &launch->watch);
        vm_entrust(vm, &launch_keeper, launch);
        LIST_INSERT_HEAD(&launch->manager->launches, launch, of_manager);
}

/* A restarting CVM keeps what it has; only what others took meanwhile is reserved again. */
static int launch_admit_again(Launch *launch)
{
        Vm *vm = launch->vm;
        int r = reserve_again(launch->manager, vm, launch->spec, &launch->owner, &launch->error);

        if (r < 0)
                return r;
        vm_guest_forget(&vm->guest);
        vm_cause_reset(&vm->cause);
        return 0;
}

static int launch_admit_new(Launch *launch)
{
        const Admission admission = {launch->spec, launch->template, launch->options.id,
                                     &launch->owner, launch->options.request};
        Vm *vm;
        int r = admission_admit(launch->manager, &admission, &vm, &launch->replaced,
                                &launch->error);

        launch->options.id = NULL; /* these two were borrowed */
        launch->options.request = NULL;
        if (r < 0)
                return r;
        launch_join(launch, vm);
        vm_stages_begin(&vm->stages, steps[LAUNCH_ADMITTED].name,
                        launch->times[LAUNCH_ADMITTED].begun);
        wire_call_concerns(launch->call, vm->name, vm->id);
        if (launch->options.admitted)
                launch->options.admitted(launch->call, vm);
        return 0;
}

static int launch_admit(Launch *launch)
{
        int r = launch->again ? launch_admit_again(launch) : launch_admit_new(launch);

        if (r < 0)
                return r;
        admission_allot(launch->manager, launch->vm, launch->template, launch->spec,
                        &launch->allotment);
        return LAUNCH_STEP_DONE;
}

/* What a failed launch leaves: the CVM with its reason and logs, or nothing, and then the one that
 * it was to replace is there again. */
static void launch_conclude(Launch *launch)
{
        _cleanup_free_ char *detail = NULL;
        Vm *vm = launch->vm;

        if (launch->last_words)
                detail = text_format("%s\n%s", launch->reason, launch->last_words);
        vm->kept |= launch->keeps;
        vm_set_ending(vm, ENDING_LAUNCH_FAILED, detail ?: launch->reason, NULL);
        vm_set_state(vm, VM_FAILED);
        if (vm->kept)
                return;
        manager_remove(launch->manager, vm);
        if (launch->replaced)
                admission_bring_back(launch->manager, launch->replaced);
}

/* A new CVM is kept as failed, or removed with its record. One that ran before is tried again
 * later. */
static bool launch_expel(Launch *launch)
{
        Vm *vm = launch->vm;

        if (!vm) /* it was refused */
                return true;
        vm_unwatch(&launch->watch);
        restart_keep(launch->manager, vm);
        if (vm->removed) /* it belongs to the next daemon */
                return true;
        if (launch->again) {
                restart_failed(launch->manager, vm, launch->reason);
                return true;
        }
        vm_reserved_drop_holds(&vm->reserved);
        launch_conclude(launch);
        return true;
}

static void on_caller_gone(WireCall *call, void *userdata)
{
        launch_cancel(userdata, "the caller disconnected");
}

int launch_begin(Manager *manager, const Template *template, CvmSpec *spec, WireCall *call,
                 const LaunchOptions *options, CvmError *error)
{
        Launch *launch = launch_new(manager, steps, wire_call_peer(call));

        if (!launch) {
                spec_free(spec);
                return cvm_error_system(error, -ENOMEM, "launch");
        }
        launch->template = template;
        launch->spec = spec;
        launch->call = wire_call_ref(call);
        launch->options = *options;
        wire_call_on_gone(call, on_caller_gone, launch);
        if (options->timeout_sec)
                uv_timer_start(&launch->total_timer, launch_on_timeout,
                               (uint64_t)options->timeout_sec * 1000, 0);
        launch_begin_step(launch, LAUNCH_ADMITTED);
        return 0;
}

void launch_again(Manager *manager, Vm *vm, const Template *template, CvmSpec *spec,
                  const WirePeer *owner, bool kept_shares)
{
        Launch *launch = launch_new(manager, steps, owner);

        if (!launch) {
                spec_free(spec);
                restart_failed(manager, vm, "no memory");
                return;
        }
        launch->template = template;
        launch->spec = spec;
        launch->again = true;
        launch->kept_shares = kept_shares;
        launch_join(launch, vm);
        launch_begin_step(launch, LAUNCH_ADMITTED);
}

void launches_cancel(Manager *manager, const char *reason)
{
        for (Launch *launch = LIST_FIRST(&manager->launches); launch;)
                if (launch->failed) {
                        launch = LIST_NEXT(launch, of_manager);
                } else {
                        launch_cancel(launch, reason);
                        launch = LIST_FIRST(&manager->launches); /* it may be gone, and others */
                }
}

void launches_count(const Manager *manager, size_t *ret_pending, size_t *ret_waiting)
{
        size_t pending = 0, waiting = 0;

        for (const Launch *launch = LIST_FIRST(&manager->launches); launch;
             launch = LIST_NEXT(launch, of_manager)) {
                pending++;
                waiting += launch->waits;
        }
        *ret_pending = pending;
        *ret_waiting = waiting;
}

static_assert((unsigned)_LAUNCH_STEP_MAX <= METRICS_STEPS_MAX, "each step is counted");

const char *launch_step_name(size_t n)
{
        return n < _LAUNCH_STEP_MAX ? steps[n].name : NULL;
}

bool launches_are_pending(const Manager *manager)
{
        return !LIST_EMPTY(&manager->launches);
}
