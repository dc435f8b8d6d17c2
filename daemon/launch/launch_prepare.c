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

int launch_write_shares(Launch *launch)
{
        Vm *vm = launch->vm;
        const CvmSpec *spec = launch->spec;
        int r = handover_directory(vm, &launch->error);

        launch->has_directory = r == 0;
        if (r == 0 && !launch->kept_shares)
                r = quota_take_secrets(launch->manager, vm, &launch->owner, spec, &launch->loaded,
                                       &launch->error);
        if (r == 0)
                r = handover_shares(vm, spec, &launch->loaded, launch->kept_shares, &launch->shares,
                                    &launch->error);
        launch->has_shares = r == 0;
        spec_clear_secrets(launch->spec);
        loaded_clear_secrets(&launch->loaded);
        return r < 0 ? r : LAUNCH_STEP_DONE;
}

/* A CVM that ran before keeps what it was given, for its next launch. */
bool launch_wipe_shares(Launch *launch)
{
        Vm *vm = launch->vm;

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
