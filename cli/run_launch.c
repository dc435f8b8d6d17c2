/* SPDX-License-Identifier: Apache-2.0 */

/* How `run` comes to its CVM. */

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "fail.h"
#include "launched.h"
#include "progress.h"
#include "run.h"
#include "session.h"

/* Sets run->id, and run->cvm, if a live CVM of that name is ours: it is taken over. Returns the
 * status of what it printed, or EXIT_OK in both cases. */
static ExitStatus take_over(Run *run)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvm;
        const char *id;
        ExitStatus status = session_connect(run->cli, &client);
        int r;

        if (status.code)
                return status;
        r = wire_client_call(client, MANAGER "Status",
                             json_build("name", json_new_text(run->name), NULL), NULL, 0, &reply,
                             &error);
        if (r < 0)
                return error.id == CVM_ERROR_NO_SUCH_CVM ? EXIT_OK
                                                         : fail_error(run->cli, &error, NULL);
        cvm = json_member(reply, "cvm");
        id = json_member_string(cvm, "id");
        if (!id || json_member_int(cvm, "owner", -1) != (int64_t)geteuid())
                return EXIT_OK;
        run->id = strdup(id);
        if (!run->id)
                return fail_memory(run->cli);
        if (run_look(run) > 0)
                return EXIT_OK;
        free(TAKE_PTR(run->id)); /* it has ended: its name is free for another */
        json_object_put(TAKE_PTR(run->cvm));
        return EXIT_OK;
}

/* The spec and options of this command do not change a CVM that is there. */
static void run_say_attached(const Run *run)
{
        const char *platform = json_member_string(run->cvm, "platform") ?: "";
        char when[OUTPUT_TIME_MAX];

        run_say(run,
                "attached to the CVM, which was already running: platform %s, launched at %s; the "
                "spec of this command is not used",
                platform, output_time(json_member_int(run->cvm, "createdAt", 0), when));
}

static json_object *run_launch_call_parameters(const Run *run, const LaunchSpec *spec)
{
        uint64_t timeout = run->options.timeout_sec;
        json_object *parameters = json_build("spec", json_object_get(spec->object), "id",
                                             json_new_text(run->id), NULL);

        if (timeout)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)timeout));
        return parameters;
}

/* A reply to Launch: 1: another one follows, 0: it is done, negative: error. */
static int take_reply(Run *run, Progress *progress, CvmError *error)
{
        _cleanup_json_ json_object *reply = NULL;
        int r = wire_client_next(run->links[RUN_MAIN], &reply, error);

        if (r <= 0)
                return r;
        progress_step(progress, reply);
        return 1;
}

/* The call has broken off: the daemon may have died after the launch was done. EXIT_OK: it was. */
static ExitStatus launch_failed(Run *run, const LaunchSpec *spec, CvmError *error)
{
        uint64_t msec = run->options.reconnect_msec;

        progress_end();
        if (error->id != CVM_ERROR_SYSTEM) {
                ExitStatus status = launch_spec_fail(run->cli, spec, error);

                launched_explain(run->cli, error, run->name, run->id);
                return status;
        }
        for (uint64_t waited = 0; run->stops == 0; waited += RUN_RETRY_MSEC) {
                int r = run_look(run);

                if (r > 0)
                        return EXIT_OK;
                if (r == 0 || waited >= msec)
                        break;
                run_wait(run, RUN_RETRY_MSEC);
        }
        return fail_error(run->cli, error, NULL);
}

/* Starts the call and waits for its end. Returns 0 with *ret_there, see run_launch(), or -errno. */
static int call_launch(Run *run, const LaunchSpec *spec, bool *ret_there, CvmError *error)
{
        Progress progress = {.subject = run->name,
                             .quiet = run->cli->json,
                             .limit_sec = run->options.timeout_sec};
        int r = run_connect(run, RUN_MAIN);

        if (r == 0)
                r = wire_client_begin(run->links[RUN_MAIN], MANAGER "Launch",
                                      run_launch_call_parameters(run, spec), spec->fds, spec->n_fds,
                                      error);
        else
                cvm_error_system(error, r, "connect to %s", run->socket);
        progress_begin(&progress);
        while (r >= 0) {
                bool redraws = !progress.quiet && output_redraws(stderr);
                unsigned ready;

                progress_draw(&progress);
                ready = run_wait(run, redraws ? PROGRESS_TICK_MSEC : -1);

                if (run->stops) {
                        /* the daemon undoes a launch whose caller has gone; if the launch is
                         * complete already, the CVM exists and is stopped like any other */
                        run_disconnect(run, RUN_MAIN);
                        *ret_there = run_look(run) > 0;
                        return 0;
                }
                if (!(ready & 1u << RUN_MAIN))
                        continue;
                r = take_reply(run, &progress, error);
                if (r == 0) {
                        progress_end();
                        *ret_there = true;
                        return 0;
                }
        }
        return r;
}

ExitStatus run_launch(Run *run, const LaunchSpec *spec, bool *ret_there)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        ExitStatus status = take_over(run);

        *ret_there = true;
        if (status.code)
                return status;
        if (run->id) {
                run_say_attached(run);
                return EXIT_OK;
        }
        status = launched_choose_id(run->cli, run->options.id, &run->id);
        if (status.code)
                return status;
        run_say(run, "launching");
        if (call_launch(run, spec, ret_there, &error) == 0)
                return EXIT_OK;
        run_disconnect(run, RUN_MAIN);
        return launch_failed(run, spec, &error);
}
