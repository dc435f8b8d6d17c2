/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/launch_internal.h"

#include <string.h>

#include "base/fail_point.h"
#include "base/json.h"
#include "base/text.h"
#include "launch/admission.h"
#include "launch/quota.h"
#include "launch/reserve.h"
#include "local/log.h"
#include "local/tap.h"
#include "manager/manager.h"
#include "vm/charges.h"

int launch_render(Launch *launch)
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

/* The first failure of what was loaded; moves it. */
static int check_loaded(Launch *launch)
{
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                if (cvm_error_is_set(&launch->loaded.artifact_errors[kind])) {
                        cvm_error_move(&launch->error, &launch->loaded.artifact_errors[kind]);
                        return -EBADMSG;
                }
        if (cvm_error_is_set(&launch->loaded.error)) {
                cvm_error_move(&launch->error, &launch->loaded.error);
                return -EINVAL;
        }
        return 0;
}

/* What boots must be measurable, so that a verifier knows what to expect. A message about missing
 * files says more than one that nothing can be measured without them. */
static int render_measured(Launch *launch)
{
        CvmError *measure = &launch->loaded.measure_error;
        const HostCheckList *missing;
        int r = launch_render(launch);

        if (!cvm_error_is_set(measure))
                return r;
        missing = launch->plan ? &launch->plan->missing : NULL;
        if (r < 0 && (!missing || missing->n == 0 || strcmp(missing->items[0].name, "measurement")))
                return r;
        cvm_error_done(&launch->error);
        cvm_error_move(&launch->error, measure);
        return -EBADMSG;
}

/* Takes the artifact. The name is that of the caller's own file, even if another user's has the
 * same bytes. */
static int keep_artifact(Launch *launch, SpecArtifactKind kind, Artifact *artifact)
{
        _cleanup_free_ char *name = strdup(artifact->name);

        if (!name) {
                artifact_unref(artifact);
                return -ENOMEM;
        }
        if (!artifact->embedded)
                artifact = artifact_store_add(launch->manager->artifacts, artifact);
        return artifact ? vm_boot_set_artifact(&launch->vm->boot, kind, artifact, name) : -ENOMEM;
}

static int take_artifacts(Launch *launch)
{
        Vm *vm = launch->vm;

        if (launch->loaded.measured.registers)
                vm_boot_set_measured(&vm->boot, &launch->loaded.measured);
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                Artifact *artifact = TAKE_PTR(launch->loaded.artifacts[kind]);

                vm_boot_set_held(&vm->boot, kind, &launch->loaded.held[kind]);
                if (!artifact)
                        continue;
                if (artifact == vm->boot.artifacts[kind]) { /* kept if it is launched again */
                        artifact_unref(artifact);
                        continue;
                }
                if (keep_artifact(launch, kind, artifact) < 0)
                        return cvm_error_system(&launch->error, -ENOMEM, "keep an artifact");
                artifact = vm->boot.artifacts[kind];
                if (!launch->loaded.reserved[kind] || artifact->embedded)
                        continue;
                charge_artifact(vm, kind, launch->loaded.reserved[kind], launch->loaded.account);
                launch->loaded.reserved[kind] = 0;
        }
        return 0;
}

/* Where the plan has a tap device. */
static int launch_open_tap(Launch *launch)
{
        const CvmSpec *spec = launch->spec;
        int r;

        if (launch_plan_fd(launch->plan, "tap") < 0)
                return 0;
        r = tap_open(spec->network == SPEC_NETWORK_TAP ? spec->interface : NULL,
                     spec->network == SPEC_NETWORK_BRIDGE ? spec->interface : NULL,
                     launch_plan_fd(launch->plan, "vhost-net") >= 0, &launch->tap, &launch->error);
        fail_point("launch: tap");
        return r;
}

int launch_prepare(Launch *launch)
{
        Vm *vm = launch->vm;
        const CvmSpec *spec = launch->spec;
        int r;

        r = check_loaded(launch);
        if (r == 0)
                r = take_artifacts(launch);
        if (r == 0)
                r = reserve_disks(launch->manager, vm, spec, launch->loaded.disks, &launch->owner,
                                  &launch->error);
        if (r == 0)
                r = admission_check_tap(launch->manager, vm, spec, &launch->owner, &launch->error);
        if (r == 0)
                r = render_measured(launch); /* what is missing refuses before anything is made */
        if (r < 0)
                return r;
        vm_boot_set_binding(&vm->boot, workload_binding_to_json(&launch->plan->binding));
        launch_enter(launch, LAUNCH_RENDERED);
        r = launch_open_tap(launch);
        if (r < 0)
                return r;
        launch_enter(launch, LAUNCH_STARTING);
        r = handover_directory(vm, &launch->error);
        if (r == 0 && !launch->kept_shares)
                r = quota_take_secrets(launch->manager, vm, &launch->owner, spec, &launch->loaded,
                                       &launch->error);
        if (r == 0)
                r = handover_shares(vm, spec, &launch->loaded, launch->kept_shares, &launch->shares,
                                    &launch->error);
        spec_clear_secrets(launch->spec);
        loaded_clear_secrets(&launch->loaded);
        return r;
}

int launch_start_driver(Launch *launch)
{
        const Handover handover = {
                .spec = launch->spec,
                .plan = launch->plan,
                .loaded = &launch->loaded,
                .shares = &launch->shares,
                .tap = launch->tap,
        };

        return handover_start(launch->vm, &handover, &launch->error);
}
