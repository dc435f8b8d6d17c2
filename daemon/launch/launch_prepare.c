/* SPDX-License-Identifier: Apache-2.0 */

/* Steps of a launch between files and processes: the plan, the network's device, the shares. */

#include <string.h>

#include "base/fail_point.h"
#include "base/json.h"
#include "launch/admission.h"
#include "launch/launch_internal.h"
#include "launch/quota.h"
#include "launch/reserve.h"
#include "local/log.h"
#include "manager/manager.h"
#include "vm/charges.h"

int launch_make_plan(Launch *launch)
{
        Vm *vm = launch->vm;
        const HostCheck *check;
        int r;

        prepared_inputs_done(&launch->prepared);
        launch->plan = launch_plan_free(launch->plan);
        r = inputs_prepare(launch->manager, launch->spec, &launch->allotment, &launch->loaded,
                           vm->boot.artifacts, &launch->prepared);
        if (r < 0)
                return cvm_error_system(&launch->error, r, "render");
        r = inputs_render(launch->manager, &launch->allotment, &launch->prepared, &launch->loaded,
                          &launch->plan, &launch->error);
        if (r < 0)
                return r;
        if (launch->plan->missing.n == 0)
                return 0;
        for (size_t i = 1; i < launch->plan->missing.n; i++)
                log_emit(LOG_LEVEL_INFO, vm->name, vm->id,
                         "also missing: check '%s' failed. Found: %s. Required: %s",
                         launch->plan->missing.items[i].name, launch->plan->missing.items[i].found,
                         launch->plan->missing.items[i].needed);
        check = &launch->plan->missing.items[0];
        return cvm_error_host(&launch->error, check->name, check->found, check->needed, check->fix);
}

/* What boots must be measurable, so that a verifier knows what to expect. A message about missing
 * files says more than one that nothing can be measured without them. */
static int launch_make_measured_plan(Launch *launch)
{
        CvmError *measure = &launch->loaded.measure_error;
        const HostCheckList *missing;
        int r = launch_make_plan(launch);

        if (!cvm_error_is_set(measure))
                return r;
        missing = launch->plan ? &launch->plan->missing : NULL;
        if (r < 0 && (!missing || missing->n == 0 || strcmp(missing->items[0].name, "measurement")))
                return r;
        cvm_error_done(&launch->error);
        cvm_error_move(&launch->error, measure);
        return -EBADMSG;
}

int launch_render(Launch *launch)
{
        Vm *vm = launch->vm;
        const CvmSpec *spec = launch->spec;
        int r = reserve_disks(launch->manager, vm, spec, launch->loaded.disks, &launch->owner,
                              &launch->error);

        if (r == 0)
                r = admission_check_tap(launch->manager, vm, spec, &launch->owner, &launch->error);
        if (r == 0)
                r = launch_make_measured_plan(launch);
        if (r < 0)
                return r;
        vm_boot_set_binding(&vm->boot, workload_binding_to_json(&launch->plan->binding));
        return LAUNCH_STEP_DONE;
}

/* Where the plan has a tap device. */
int launch_open_network(Launch *launch)
{
        const CvmSpec *spec = launch->spec;
        int r;

        if (launch_plan_fd(launch->plan, "tap") < 0)
                return LAUNCH_STEP_DONE;
        r = tap_open(spec->network == SPEC_NETWORK_TAP ? spec->interface : NULL,
                     spec->network == SPEC_NETWORK_BRIDGE ? spec->interface : NULL,
                     launch_plan_fd(launch->plan, "vhost-net") >= 0, &launch->tap, &launch->error);
        fail_point("launch: tap");
        return r < 0 ? r : LAUNCH_STEP_DONE;
}

bool launch_close_network(Launch *launch)
{
        tap_close(&launch->tap);
        return true;
}

/* A worker's. */
struct SharesWrite {
        Turn turn;
        Launch *launch; /* a reference */
        SharesOrder order;
        Shares shares;
        CvmError error;
        int r;
};

static void on_write(Turn *turn)
{
        SharesWrite *write = container_of(turn, SharesWrite, turn);

        write->r = handover_write_shares(&write->order, &write->shares, &write->error);
}

/* Whether they were written or not, no secret is needed any more. */
static void launch_end_write(SharesWrite *write)
{
        Launch *launch = write->launch;

        launch->write = NULL;
        spec_clear_secrets(launch->spec);
        loaded_clear_secrets(&launch->loaded);
        launch->has_shares = write->r == 0;
        if (write->r == 0)
                launch->shares = write->shares;
        else if (!launch->failed)
                cvm_error_move(&launch->error, &write->error);
        cvm_error_done(&write->error);
        free(write);
}

static void on_written(Turn *turn)
{
        SharesWrite *write = container_of(turn, SharesWrite, turn);
        Launch *launch = write->launch;

        if (write->r == -ECANCELED) /* the daemon is ending, and no worker begins any more */
                cvm_error_system(&write->error, write->r, "write the shares");
        launch_end_write(write);
        if (launch->failed)
                launch_unwind(launch);
        else if (!launch->has_shares)
                launch_fail(launch);
        else
                launch_advance(launch);
        launch_unref(launch);
}

static int launch_begin_write(Launch *launch)
{
        Vm *vm = launch->vm;
        SharesWrite *write = calloc(1, sizeof(*write));

        if (!write)
                return cvm_error_system(&launch->error, -ENOMEM, "write the shares");
        write->launch = launch;
        write->order = handover_order_shares(vm, launch->spec, &launch->loaded);
        write->r = -ECANCELED;
        launch->write = write;
        launch->n_ref++;
        turns_take(vm->home->turns, &write->turn, vm->account, on_write, on_written);
        return LAUNCH_STEP_WAITS;
}

int launch_write_shares(Launch *launch)
{
        Vm *vm = launch->vm;
        int r = handover_directory(vm, &launch->error);

        launch->has_directory = r == 0;
        if (r == 0 && launch->kept_shares)
                r = handover_open_shares(vm, &launch->shares, &launch->error);
        else if (r == 0)
                r = quota_take_secrets(launch->manager, vm, &launch->owner, launch->spec,
                                       &launch->loaded, &launch->error);
        if (r == 0 && !launch->kept_shares)
                return launch_begin_write(launch);
        launch->has_shares = r == 0;
        spec_clear_secrets(launch->spec);
        loaded_clear_secrets(&launch->loaded);
        return r < 0 ? r : LAUNCH_STEP_DONE;
}

/* Withdraws a write that waits for its turn. Returns whether none works. */
static bool launch_stop_write(Launch *launch)
{
        SharesWrite *write = launch->write;

        if (!write)
                return true;
        if (!turns_withdraw(&write->turn))
                return false;
        launch_end_write(write);
        launch_unref(launch); /* its timers have references, too */
        return true;
}

/* A CVM that ran before keeps what it was given, for its next launch. */
bool launch_wipe_shares(Launch *launch)
{
        Vm *vm = launch->vm;

        if (!launch_stop_write(launch))
                return false;
        if (vm->removed)
                return true;
        if (launch->has_directory || launch->again)
                vm_release_directory(vm);
        if (launch->again)
                return true;
        if (launch->has_shares)
                vm_release_shares(vm);
        else
                charges_drop_secrets(vm);
        return true;
}
