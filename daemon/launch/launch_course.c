/* SPDX-License-Identifier: Apache-2.0 */

/* The course of a launch: its steps one after the other, and backwards once one has failed. */

#include <inttypes.h>

#include "base/fail_point.h"
#include "base/json.h"
#include "launch/launch_internal.h"
#include "local/log.h"
#include "manager/manager.h"

Launch *launch_new(Manager *manager, const LaunchStep *steps, const WirePeer *owner)
{
        uv_loop_t *loop = manager->home.loop;
        Launch *launch = calloc(1, sizeof(*launch));

        if (!launch || wire_peer_copy(owner, &launch->owner) < 0) {
                free(launch);
                return NULL;
        }
        launch->manager = manager;
        launch->steps = steps;
        launch->begun = uv_now(loop);
        launch->shares = (Shares){-1, -1};
        launch->tap = (Tap){-1, -1};
        uv_timer_init(loop, &launch->start_timer);
        uv_timer_init(loop, &launch->total_timer);
        launch->start_timer.data = launch->total_timer.data = launch;
        launch->n_ref = 2;
        return launch;
}

void launch_unref(Launch *launch)
{
        if (--launch->n_ref > 0)
                return;
        loaded_done(&launch->loaded);
        prepared_inputs_done(&launch->prepared);
        allotment_done(&launch->allotment);
        launch_plan_free(launch->plan);
        spec_free(launch->spec);
        json_object_put(launch->reply);
        closep(&launch->shares.env_fd);
        closep(&launch->shares.certs_fd);
        tap_close(&launch->tap);
        cvm_error_done(&launch->error);
        free(launch->reason);
        free(launch->last_words);
        wire_peer_done(&launch->owner);
        vm_unref(launch->vm);
        vm_unref(launch->replaced);
        free(launch);
}

static void on_timer_closed(uv_handle_t *handle)
{
        launch_unref(handle->data);
}

/* A launch that was not admitted is counted as a call alone. */
static void launch_count(const Launch *launch)
{
        MetricsLaunch result = !launch->failed     ? METRICS_LAUNCH_SUCCEEDED
                               : launch->cancelled ? METRICS_LAUNCH_CANCELLED
                                                   : METRICS_LAUNCH_FAILED;

        if (launch->vm)
                metrics_count_launch(&launch->manager->home.metrics, launch->again, result);
}

void launch_done(Launch *launch)
{
        launch->done = true;
        launch_count(launch);
        if (launch->vm) {
                LIST_REMOVE(launch, of_manager);
                launch->vm->ready_is_awaited = false;
        }
        vm_unwatch(&launch->watch);
        wire_call_unref(TAKE_PTR(launch->call));
        uv_close((uv_handle_t *)&launch->start_timer, on_timer_closed);
        uv_close((uv_handle_t *)&launch->total_timer, on_timer_closed);
}

const LaunchStep *launch_current(const Launch *launch)
{
        return &launch->steps[launch->n_steps ? launch->n_steps - 1 : 0];
}

bool launch_is_at(const Launch *launch, LaunchStepId id)
{
        return launch->n_steps == id + 1u;
}

/* limitSec: how long READY may take, if the launch waits for it and has no limit of its own. */
static void launch_tell(Launch *launch, const char *stage)
{
        const LaunchOptions *options = &launch->options;
        bool has_limit = launch_is_at(launch, LAUNCH_RUNNING) && options->wait_ready &&
                         !options->timeout_sec;

        fail_point("launch: stage");
        if (launch->call && wire_call_wants_more(launch->call))
                wire_call_continue(
                        launch->call,
                        json_build("stage", json_object_new_string(stage), "limitSec",
                                   has_limit ? json_object_new_int64(launch->vm->ready_sec) : NULL,
                                   NULL));
}

/* The steps up to the guest's start are kept with the CVM; those behind it are about its caller. */
static void launch_note_begin(Launch *launch, LaunchStepId id)
{
        if (!launch->vm || id > LAUNCH_RESUMED)
                return;
        if (id == LAUNCH_ADMITTED)
                vm_stages_reset(&launch->vm->stages);
        vm_stages_begin(&launch->vm->stages, launch->steps[id].name, launch->times[id].begun);
}

static void launch_end_step(Launch *launch)
{
        const LaunchStep *step = launch_current(launch);
        Metrics *metrics = &launch->manager->home.metrics;
        size_t id = (size_t)(step - launch->steps);
        LaunchTime *time = &launch->times[id];

        time->ended = uv_hrtime();
        metrics_count_step(metrics, id, time->ended - time->begun);
        vm_stages_end(&launch->vm->stages, false);
        if (id == LAUNCH_RUNNING)
                histogram_add(&metrics->to_running,
                              time->ended - launch->times[LAUNCH_ADMITTED].begun);
        log_emit(LOG_LEVEL_DEBUG, launch->vm->name, launch->vm->id,
                 "launch: %s after %" PRIu64 " µs", step->name, (time->ended - time->begun) / 1000);
        if (step->told)
                launch_tell(launch, step->told);
}

static void launch_skip_step(Launch *launch)
{
        launch->times[launch->n_steps - 1] = (LaunchTime){};
        vm_stages_drop(&launch->vm->stages);
}

void launch_begin_step(Launch *launch, LaunchStepId id)
{
        for (; id < _LAUNCH_STEP_MAX; id++) {
                int r;

                launch->n_steps = id + 1u;
                launch->times[id] = (LaunchTime){.begun = uv_hrtime()};
                launch_note_begin(launch, id);
                r = launch->steps[id].begin(launch);
                if (launch->failed || launch->done || r == LAUNCH_STEP_WAITS)
                        return;
                if (r < 0) {
                        launch_fail(launch);
                        return;
                }
                if (r == LAUNCH_STEP_SKIPPED)
                        launch_skip_step(launch);
                else
                        launch_end_step(launch);
        }
        launch_done(launch);
}

void launch_advance(Launch *launch)
{
        launch_end_step(launch);
        launch_begin_step(launch, launch->n_steps);
}

/* Returns whether all steps from this one on are undone. */
static bool launch_undo_to(Launch *launch, LaunchStepId id)
{
        for (; launch->n_steps > id; launch->n_steps--) {
                const LaunchStep *step = launch_current(launch);

                if (!step->undo)
                        continue;
                fail_point("launch: step to be undone");
                if (!step->undo(launch))
                        return false;
        }
        return true;
}

void launch_retreat(Launch *launch, LaunchStepId id)
{
        vm_stages_end(&launch->vm->stages, true);
        (void)launch_undo_to(launch, id);
}

void launch_unwind(Launch *launch)
{
        if (launch->done || !launch_undo_to(launch, LAUNCH_ADMITTED))
                return;
        if (launch->call)
                wire_call_error(launch->call, &launch->error);
        launch_done(launch);
}

/* Whether what failed is worth a look: QEMU was let run, in this try or in one before it with other
 * ports, and the spec does not say otherwise. A CVM that ran before is restart.h's. */
static bool launch_is_to_be_kept(const Launch *launch)
{
        const Vm *vm = launch->vm;

        return vm && !launch->again &&
               (vm->kept || (launch->n_steps > LAUNCH_CREATED && vm->remove == SPEC_REMOVE_NEVER));
}

void launch_note_failure(Launch *launch)
{
        launch->failed = true;
        if (!launch->vm) /* a refusal is the caller's affair alone */
                return;
        vm_stages_end(&launch->vm->stages, true);
        if (!launch->cancelled)
                metrics_count_launch_failure(&launch->manager->home.metrics,
                                             (size_t)(launch_current(launch) - launch->steps));
        log_failure(LOG_LEVEL_WARNING, launch->vm->name, launch->vm->id, "launch failed",
                    &launch->error);
}

void launch_fail(Launch *launch)
{
        if (launch->failed || launch->done)
                return;
        launch->keeps = launch_is_to_be_kept(launch);
        uv_timer_stop(&launch->total_timer);
        launch->reason = cvm_error_message(&launch->error);
        launch_note_failure(launch);
        launch_unwind(launch);
}

void launch_cancel(Launch *launch, const char *reason)
{
        if (launch->failed)
                return;
        launch->cancelled = true;
        cvm_error_launch(&launch->error, launch_current(launch)->stage, NULL, "%s", reason);
        launch_fail(launch);
}

void launch_on_timeout(uv_timer_t *timer)
{
        Launch *launch = timer->data;

        if (launch->failed)
                return;
        cvm_error_timeout(&launch->error, launch_current(launch)->stage,
                          (int64_t)(uv_now(timer->loop) - launch->begun));
        launch_fail(launch);
}
