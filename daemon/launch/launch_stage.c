/* SPDX-License-Identifier: Apache-2.0 */

/* The stages of a launch, as its caller is told of them. */

#include "base/fail_point.h"
#include "base/json.h"
#include "launch/launch_internal.h"
#include "local/log.h"

static const char *const stage_names[] = {
        [LAUNCH_ADMITTED] = "admitted", [LAUNCH_ARTIFACTS] = "artifacts",
        [LAUNCH_RENDERED] = "rendered", [LAUNCH_STARTING] = "starting",
        [LAUNCH_RUNNING] = "running",   [LAUNCH_READY] = "ready",
};

/* What is being done once a stage is entered: where a failure belongs. */
static const char *const doing_names[] = {
        [LAUNCH_ADMITTED] = "artifacts", [LAUNCH_ARTIFACTS] = "rendered",
        [LAUNCH_RENDERED] = "starting",  [LAUNCH_STARTING] = "starting",
        [LAUNCH_RUNNING] = "ready",      [LAUNCH_READY] = "ready",
};

const char *launch_stage_doing(LaunchStage stage)
{
        return doing_names[stage];
}

void launch_enter(Launch *launch, LaunchStage stage)
{
        launch->stage = stage;
        fail_point("launch: stage");
        log_emit(LOG_LEVEL_DEBUG, launch->vm->name, launch->vm->id, "launch: %s",
                 stage_names[stage]);
        if (launch->call && wire_call_wants_more(launch->call))
                wire_call_continue(
                        launch->call,
                        json_build("stage", json_object_new_string(stage_names[stage]), NULL));
}
