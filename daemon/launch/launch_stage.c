/* SPDX-License-Identifier: Apache-2.0 */

/* The stages of a launch as they are reported to its caller, and when a launch may start. */

#include <sys/param.h>

#include "base/fail_point.h"
#include "base/json.h"
#include "launch/launch_internal.h"
#include "local/log.h"
#include "manager/manager.h"

#define STARTS_MIN 4u /* of a user, however few CPUs the host has */

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

/* Whether one more start of this user may be in progress. */
static bool has_turn_left(const Manager *manager, uid_t account)
{
        unsigned n = 0;

        if (account == 0)
                return true;
        for (const Launch *launch = LIST_FIRST(&manager->launches); launch;
             launch = LIST_NEXT(launch, of_manager))
                n += launch->starts && launch->vm->account == account;
        return n < MAX(STARTS_MIN, uv_available_parallelism());
}

bool launch_take_turn(Launch *launch, uv_timer_cb run)
{
        launch->on_turn = run;
        launch->starts = has_turn_left(launch->manager, launch->vm->account);
        launch->waits = !launch->starts;
        return launch->starts;
}

/* NULL: none waits that may still start. */
static Launch *find_oldest_waiting(const Manager *manager, uid_t account)
{
        Launch *oldest = NULL; /* new ones are inserted at the head */

        for (Launch *launch = LIST_FIRST(&manager->launches); launch;
             launch = LIST_NEXT(launch, of_manager))
                if (launch->waits && !launch->vm->removed && launch->vm->account == account)
                        oldest = launch;
        return oldest;
}

void launch_end_turn(Launch *launch)
{
        uid_t account = launch->vm->account;
        bool had = launch->starts;
        Launch *next;

        launch->starts = launch->waits = false;
        next = had ? find_oldest_waiting(launch->manager, account) : NULL;
        if (!next || !has_turn_left(launch->manager, account))
                return;
        next->waits = false;
        next->starts = true;
        uv_timer_start(&next->start_timer, next->on_turn, 0, 0);
}
