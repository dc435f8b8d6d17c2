/* SPDX-License-Identifier: Apache-2.0 */

/* A step of a launch: what its spec names is loaded by a worker, and kept for the CVM. */

#include <string.h>

#include "launch/launch_internal.h"
#include "launch/quota.h"
#include "launch/restart.h"
#include "manager/manager.h"
#include "vm/charges.h"

#define WORKER_LATE_MSEC 2000 /* how long a failure waits for the worker before it is reported */

/* The first failure of what was loaded; moves it. */
static int launch_check_loaded(Launch *launch)
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

/* Takes the artifact. The name is that of the caller's own file, even if another user has the same
 * bytes. */
static int launch_keep_artifact(Launch *launch, SpecArtifactKind kind, Artifact *artifact)
{
        _cleanup_free_ char *name = strdup(artifact->name);

        if (!name) {
                artifact_unref(artifact);
                return -ENOMEM;
        }
        if (!artifact_is_own(artifact))
                artifact = artifact_store_add(launch->manager->artifacts, artifact);
        return artifact ? vm_boot_set_artifact(&launch->vm->boot, kind, artifact, name) : -ENOMEM;
}

static int launch_keep_artifacts(Launch *launch)
{
        Vm *vm = launch->vm;

        if (launch->loaded.measured.registers)
                vm_boot_set_measured(&vm->boot, &launch->loaded.measured);
        if (launch->loaded.image.reference)
                vm_boot_set_image(&vm->boot, TAKE_PTR(launch->loaded.image.reference));
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                Artifact *artifact = TAKE_PTR(launch->loaded.artifacts[kind]);

                vm_boot_set_held(&vm->boot, kind, &launch->loaded.held[kind]);
                if (!artifact)
                        continue;
                if (artifact == vm->boot.artifacts[kind]) { /* kept, where it is launched again */
                        artifact_unref(artifact);
                        continue;
                }
                if (launch_keep_artifact(launch, kind, artifact) < 0)
                        return cvm_error_system(&launch->error, -ENOMEM, "keep an artifact");
                artifact = vm->boot.artifacts[kind];
                if (!launch->loaded.reserved[kind] || artifact_is_own(artifact))
                        continue;
                charge_artifact(vm, kind, launch->loaded.reserved[kind], launch->loaded.account);
                launch->loaded.reserved[kind] = 0;
        }
        return 0;
}

static void on_loaded(Loaded *loaded, void *userdata)
{
        Launch *launch = userdata;
        bool late = !launch->loading;
        int r;

        launch->loading = false;
        launch->load = NULL;
        launch_unref(launch);
        if (late)
                return;
        if (launch->failed) {
                launch_unwind(launch);
                return;
        }
        launch->loaded = TAKE_STRUCT(*loaded);
        restart_note_paths(launch->vm, &launch->loaded);
        r = launch_check_loaded(launch);
        if (r == 0)
                r = launch_keep_artifacts(launch);
        if (r < 0)
                launch_fail(launch);
        else
                launch_advance(launch);
}

int launch_load(Launch *launch)
{
        Vm *vm = launch->vm;
        const IdMap map = {vm->owner, vm->reserved.uid, vm->owner_group, vm->reserved.uid};
        LoadSource source = {
                .turns = launch->manager->turns,
                .store = launch->manager->artifacts,
                .allotment = &launch->allotment,
                .config = vm->home->config,
                .qemus = launch->manager->qemus,
                .driver = vm_driver_home(vm),
                .files = vm_files(vm),
                .map = vm->reserved.uid ? &map : NULL,
                .artifacts = launch->again ? vm->boot.artifacts : NULL,
                .image = launch->again ? vm->boot.image : NULL,
                .without_certs = launch->kept_shares,
        };
        int r;

        quota_bound_load(launch->manager, &launch->owner, &source);
        source.account = vm->account;
        r = load_begin(&source, launch->spec, &launch->owner, launch->call, on_loaded, launch,
                       &launch->load, &launch->error);
        if (r < 0)
                return r;
        launch->loading = true;
        launch->n_ref++;
        return LAUNCH_STEP_WAITS;
}

/* A file that the worker reads does not answer. What is loaded, if anything, is discarded then. */
static void on_worker_late(uv_timer_t *timer)
{
        Launch *launch = timer->data;

        launch->loading = false;
        launch_unwind(launch);
}

bool launch_unload(Launch *launch)
{
        Vm *vm = launch->vm;

        if (launch->load && load_withdraw(launch->load)) {
                launch->load = NULL;
                launch->loading = false;
                launch_unref(launch);
        }
        if (launch->loading) {
                if (!uv_is_active((uv_handle_t *)&launch->total_timer))
                        uv_timer_start(&launch->total_timer, on_worker_late, WORKER_LATE_MSEC, 0);
                return false;
        }
        uv_timer_stop(&launch->total_timer);
        if (!launch->again && !vm->removed)
                vm_release_artifacts(vm);
        return true;
}
