/* SPDX-License-Identifier: Apache-2.0 */

/* How `run` comes to its CVM. */

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/file.h"
#include "base/json.h"
#include "fail.h"
#include "progress.h"
#include "run.h"
#include "session.h"

#define UUID_SIZE 36

/* An id of our own, so that the CVM is known whatever becomes of the call's answer. */
static int choose_id(Run *run)
{
        const char *given = arguments_value(run->arguments, "id");
        size_t size;
        int r;

        if (given) {
                run->id = strdup(given);
                return run->id ? 0 : fail_memory(run->arguments);
        }
        r = file_read_at(AT_FDCWD, "/proc/sys/kernel/random/uuid", UUID_SIZE + 1, &run->id, &size);
        if (r == 0 && size < UUID_SIZE)
                r = -EIO;
        if (r < 0)
                return fail_local(run->arguments, "cannot make an id: %s", strerror(-r));
        run->id[UUID_SIZE] = 0;
        return 0;
}

/* 1: a live CVM of that name is ours, and it is taken over; 0: there is none; an exit code. */
static int take_over(Run *run)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvm;
        const char *id;
        int r;

        r = session_connect(run->arguments, &client);
        if (r != 0)
                return r;
        r = wire_client_call(client, MANAGER "Status",
                             json_build("name", json_new_text(run->name), NULL), NULL, 0, &reply,
                             &error);
        if (r < 0)
                return error.id == CVM_ERROR_NO_SUCH_CVM ? 0
                                                         : fail_error(run->arguments, &error, NULL);
        cvm = json_member(reply, "cvm");
        id = json_member_string(cvm, "id");
        if (!id || json_member_int(cvm, "owner", -1) != (int64_t)geteuid())
                return 0;
        run->id = strdup(id);
        if (!run->id)
                return fail_memory(run->arguments);
        if (run_look(run) > 0)
                return 0;
        free(TAKE_PTR(run->id)); /* it has ended: its name is free for another */
        json_object_put(TAKE_PTR(run->cvm));
        return 0;
}

static json_object *run_launch_call_parameters(const Run *run, const LaunchSpec *spec)
{
        uint64_t timeout = arguments_number(run->arguments, "timeout", 0);
        json_object *parameters = json_build("spec", json_object_get(spec->object), "id",
                                             json_new_text(run->id), NULL);

        if (timeout)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)timeout));
        return parameters;
}

/* A reply to Launch: 1: another one follows, 0: it is done, negative: error. */
static int take_reply(Run *run, CvmError *error)
{
        _cleanup_json_ json_object *reply = NULL;
        const char *stage;
        int r = wire_client_next(run->links[RUN_MAIN], &reply, error);

        if (r <= 0)
                return r;
        stage = json_member_string(reply, "stage");
        if (stage && output_is_terminal(stderr))
                progress_show(run->name, stage);
        return 1;
}

/* The call has broken off: the daemon may have died after the launch was done. */
static int launch_failed(Run *run, const CvmError *error)
{
        uint64_t msec =
                arguments_number(run->arguments, "reconnect-timeout", RUN_RECONNECT_SEC) * 1000;

        progress_end();
        if (error->id != CVM_ERROR_SYSTEM)
                return fail_error(run->arguments, error, NULL);
        for (uint64_t waited = 0; run->stops == 0; waited += RUN_RETRY_MSEC) {
                int r = run_look(run);

                if (r > 0)
                        return 0;
                if (r == 0 || waited >= msec)
                        break;
                run_wait(run, RUN_RETRY_MSEC);
        }
        return fail_error(run->arguments, error, NULL);
}

int run_launch(Run *run, const LaunchSpec *spec)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r;

        r = take_over(run);
        if (r != 0)
                return r;
        if (run->id) {
                run_say(run, "taken over, it was running");
                return 0;
        }
        r = choose_id(run);
        if (r != 0)
                return r;
        run_say(run, "launching");
        r = run_connect(run, RUN_MAIN);
        if (r == 0)
                r = wire_client_begin(run->links[RUN_MAIN], MANAGER "Launch",
                                      run_launch_call_parameters(run, spec), spec->fds, spec->n_fds,
                                      &error);
        else
                cvm_error_system(&error, r, "connect to %s", run->socket);
        while (r >= 0) {
                unsigned ready = run_wait(run, -1);

                if (run->stops) {
                        /* the daemon takes back what nobody waits for; should it be done already,
                         * the CVM is there and is stopped as any other */
                        run_disconnect(run, RUN_MAIN);
                        return run_look(run) > 0 ? 0 : -1;
                }
                if (!(ready & 1u << RUN_MAIN))
                        continue;
                r = take_reply(run, &error);
                if (r == 0) {
                        progress_end();
                        return 0;
                }
        }
        run_disconnect(run, RUN_MAIN);
        return launch_failed(run, &error);
}
