/* SPDX-License-Identifier: Apache-2.0 */

/*
 * A step of a launch: its turn. Starting QEMU takes the CPUs. So that the launches of one user
 * leave others theirs, at most as many of a user as the host has CPUs, and at least four, start at
 * a time; root's are not bounded. A turn begins once all is loaded and ends when the guest runs or
 * the launch is undone.
 */

#include <sys/param.h>

#include "launch/launch_internal.h"
#include "manager/manager.h"

#define STARTS_MIN 4u /* of a user, however few CPUs the host has */

/* Whether one more start of this user may be in progress. */
static bool turn_is_left(const Manager *manager, uid_t account)
{
        unsigned n = 0;

        if (account == 0)
                return true;
        for (const Launch *launch = LIST_FIRST(&manager->launches); launch;
             launch = LIST_NEXT(launch, of_manager))
                n += launch->starts && launch->vm->account == account;
        return n < MAX(STARTS_MIN, uv_available_parallelism());
}

int launch_await_turn(Launch *launch)
{
        launch->starts = turn_is_left(launch->manager, launch->vm->account);
        launch->waits = !launch->starts;
        return launch->starts ? LAUNCH_STEP_DONE : LAUNCH_STEP_WAITS;
}

/* The one of the account that has waited longest; NULL: none waits. */
static Launch *turn_find_waiting(const Manager *manager, uid_t account)
{
        Launch *oldest = NULL; /* new ones are inserted at the head */

        for (Launch *launch = LIST_FIRST(&manager->launches); launch;
             launch = LIST_NEXT(launch, of_manager))
                if (launch->waits && launch->vm->account == account && !launch->vm->removed)
                        oldest = launch;
        return oldest;
}

static void on_turn(uv_timer_t *timer)
{
        launch_advance(timer->data);
}

static void turn_give(const Manager *manager, uid_t account)
{
        Launch *next;

        while (turn_is_left(manager, account) && (next = turn_find_waiting(manager, account))) {
                next->waits = false;
                next->starts = true;
                uv_timer_start(&next->start_timer, on_turn, 0, 0);
        }
}

void launches_give_turns(Manager *manager)
{
        for (Launch *launch = LIST_FIRST(&manager->launches); launch;
             launch = LIST_NEXT(launch, of_manager))
                if (launch->waits)
                        turn_give(manager, launch->vm->account);
}

bool launch_end_turn(Launch *launch)
{
        bool had = launch->starts;

        uv_timer_stop(&launch->start_timer);
        launch->starts = launch->waits = false;
        if (had) /* only this user has another one now: others' launches are not looked at */
                turn_give(launch->manager, launch->vm->account);
        return true;
}
