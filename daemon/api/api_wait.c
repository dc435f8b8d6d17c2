/* SPDX-License-Identifier: Apache-2.0 */

/* Wait: for a CVM to run, to be ready, or to have ended. It changes nothing, and it ends with its
 * client: so the number of connections of a user bounds how many wait. */

#include <string.h>

#include "api/api.h"

typedef enum WaitGoal { WAIT_RUNNING, WAIT_READY, WAIT_STOPPED, _WAIT_MAX } WaitGoal;

static const char *const goals[_WAIT_MAX] = {"running", "ready", "stopped"};

typedef struct Wait {
        WireCall *call; /* a reference; NULL once answered */
        Vm *vm;         /* a reference */
        WaitGoal goal;
        uint32_t timeout_sec; /* 0: none */
        uv_timer_t timer;
        VmWatch watch;
        EventsFollower daemon; /* for its end */
} Wait;

static void on_wait_closed(uv_handle_t *handle)
{
        Wait *wait = handle->data;

        vm_unref(wait->vm);
        free(wait);
}

/* Answers with the error, or with the CVM if it is not set. */
static void wait_answer(Wait *wait, CvmError *error)
{
        WireCall *call = TAKE_PTR(wait->call);

        vm_unwatch(&wait->watch);
        events_unfollow(&wait->daemon);
        wire_call_on_gone(call, NULL, NULL);
        if (cvm_error_is_set(error))
                wire_call_error(call, error);
        else
                wire_call_reply(call, json_build("cvm", vm_to_json(wait->vm), NULL));
        wire_call_unref(call);
        uv_close((uv_handle_t *)&wait->timer, on_wait_closed);
}

static bool wait_has_come(const Vm *vm, WaitGoal goal)
{
        switch (goal) {
        case WAIT_RUNNING:
                return vm->state == VM_RUNNING;
        case WAIT_READY:
                return vm->state == VM_RUNNING && vm->guest.ready;
        default:
                return !vm_state_is_live(vm->state);
        }
}

/* Returns 1 if what is waited for has come, 0 if it may still come; or NoSuchCvm or WrongState if
 * it does not come any more. */
static int wait_check(const Vm *vm, WaitGoal goal, CvmError *error)
{
        static const char *const allowed[] = {"preparing", "starting",   "running",
                                              "paused",    "restarting", NULL};

        if (vm->removed)
                return cvm_error_no_such_cvm(error, vm->name, vm->id);
        if (wait_has_come(vm, goal))
                return 1;
        return vm_state_is_live(vm->state) ? 0 : api_wrong_state(vm, allowed, error);
}

static void on_wait_changed(Vm *vm, void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Wait *wait = userdata;

        if (wait_check(vm, wait->goal, &error) != 0)
                wait_answer(wait, &error);
}

static void on_wait_timer(uv_timer_t *timer)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Wait *wait = timer->data;

        cvm_error_timeout(&error, goals[wait->goal], (int64_t)wait->timeout_sec * 1000);
        wait_answer(wait, &error);
}

static void on_wait_end(void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_system(&error, -ECANCELED, "wait while the daemon exits");
        wait_answer(userdata, &error);
}

static void on_wait_gone(WireCall *call, void *userdata)
{
        wait_answer(userdata, &(CvmError){}); /* every call has an end */
}

static int wait_begin(WireCall *call, Vm *vm, WaitGoal goal, uint32_t timeout_sec, CvmError *error)
{
        Wait *wait = calloc(1, sizeof(*wait));

        if (!wait)
                return cvm_error_system(error, -ENOMEM, "wait");
        *wait = (Wait){
                .call = wire_call_ref(call),
                .vm = vm_ref(vm),
                .goal = goal,
                .timeout_sec = timeout_sec,
                .watch = {.changed = on_wait_changed, .userdata = wait},
                .daemon = {.end = on_wait_end, .userdata = wait},
        };
        uv_timer_init(vm->home->loop, &wait->timer);
        wait->timer.data = wait;
        if (timeout_sec)
                uv_timer_start(&wait->timer, on_wait_timer, (uint64_t)timeout_sec * 1000, 0);
        vm_watch(vm, &wait->watch);
        events_follow(vm->home->events, &wait->daemon);
        wire_call_on_gone(call, on_wait_gone, wait);
        return 0;
}

typedef struct WaitParameters {
        ApiTarget target;
        char *goal;
        uint32_t timeout_sec;
} WaitParameters;

static void wait_parameters_done(WaitParameters *p)
{
        api_target_done(&p->target);
        free(p->goal);
}

static WaitGoal wait_parse(const char *goal)
{
        WaitGoal i = 0;

        while (i < _WAIT_MAX && strcmp(goals[i], goal) != 0)
                i++;
        return i;
}

int api_wait(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        static const JsonField fields[] = {
                API_TARGET_FIELDS(WaitParameters, target),
                {"for", JSON_STRING, offsetof(WaitParameters, goal)},
                {"timeoutSec", JSON_UINT32, offsetof(WaitParameters, timeout_sec), 0, 1, 86400},
                {},
        };
        _cleanup_(wait_parameters_done) WaitParameters p = {};
        WaitGoal goal;
        Vm *vm;
        int r = api_dispatch(parameters, fields, &p, error);

        if (r < 0)
                return r;
        goal = wait_parse(p.goal ?: "stopped");
        if (goal == _WAIT_MAX)
                return cvm_error_invalid_parameter(error, "for",
                                                   "must be running, ready or stopped");
        r = api_find(call, &p.target, userdata, &vm, error);
        if (r < 0)
                return r;
        r = wait_check(vm, goal, error);
        if (r == 0)
                return wait_begin(call, vm, goal, p.timeout_sec, error);
        if (r < 0)
                return r;
        wire_call_reply(call, json_build("cvm", vm_to_json(vm), NULL));
        return 0;
}
