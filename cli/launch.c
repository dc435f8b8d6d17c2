/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The call is open while the CVM starts: if cvmctl ends before the last reply, the connection
 * closes and the daemon gives the launch up.
 */

#include <poll.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "fail.h"
#include "launch_spec.h"
#include "launched.h"
#include "output.h"
#include "progress.h"
#include "reply.h"
#include "session.h"

#define TIMEOUT_GRACE_SEC 10 /* for the daemon to undo the launch and report it */

typedef struct LaunchOptions {
        LaunchSpecOptions spec;
        const char *id, *wait; /* or NULL */
        bool paused, quiet;
        uint64_t timeout_sec; /* 0: none */
} LaunchOptions;

static LaunchOptions launch_options(const Arguments *arguments)
{
        return (LaunchOptions){
                .spec = launch_spec_options(arguments),
                .id = arguments_value(arguments, "id"),
                .wait = arguments_value(arguments, "wait"),
                .paused = arguments_has(arguments, "paused"),
                .quiet = arguments_has(arguments, "quiet"),
                .timeout_sec = arguments_number(arguments, "timeout", 0),
        };
}

static json_object *launch_call_parameters(const LaunchOptions *options, const char *id,
                                           const LaunchSpec *spec)
{
        json_object *parameters =
                json_build("spec", json_object_get(spec->object), "id", json_new_text(id), NULL);

        if (options->wait)
                json_object_object_add(parameters, "wait", json_new_text(options->wait));
        if (options->paused)
                json_object_object_add(parameters, "paused", json_object_new_boolean(true));
        if (options->timeout_sec)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)options->timeout_sec));
        return parameters;
}

static ExitStatus print_summary(const Cli *cli, json_object *cvm)
{
        _cleanup_free_ char *name = output_member(cvm, "name");
        _cleanup_free_ char *state = output_member(cvm, "state");
        _cleanup_free_ char *forwards = output_forwards(cvm);
        bool ready = json_member_bool(cvm, "ready", false);

        if (!name || !state || !forwards)
                return fail_memory(cli);
        printf("%s: %s%s%s%s\n", name, state, ready ? ", ready" : "",
               strcmp(forwards, "-") != 0 ? ", " : "", strcmp(forwards, "-") != 0 ? forwards : "");
        launched_note_plain(cvm);
        if (json_member_bool(cvm, "debug", false))
                fail_note(cli, "this is a debug CVM: its measurement differs from the production "
                               "image's");
        return EXIT_OK;
}

/* How long a reply may take; -1: no limit. */
static int call_msec(const LaunchOptions *options)
{
        return options->timeout_sec ? (int)(options->timeout_sec + TIMEOUT_GRACE_SEC) * 1000 : -1;
}

/* A launch in progress. */
typedef struct LaunchCall {
        const Cli *cli;
        const LaunchOptions *options;
        const LaunchSpec *spec;
        const char *name, *id; /* of the CVM; borrowed */
        WireClient *client;
        Progress progress;
} LaunchCall;

/* Shows the time that passes until a reply begins to come. */
static void launch_await(LaunchCall *call)
{
        struct pollfd p = {.fd = wire_client_fd(call->client), .events = POLLIN};
        int limit = call_msec(call->options);

        if (call->progress.quiet || !output_redraws(stderr))
                return;
        progress_draw(&call->progress);
        while (!wire_client_has_reply(call->client) && !session_interrupted()) {
                if (poll(&p, 1, PROGRESS_TICK_MSEC) > 0)
                        return;
                progress_draw(&call->progress);
                if (limit > 0 && clock_monotonic_msec() - call->progress.begun_msec > limit) {
                        wire_client_set_timeout(call->client, 0);
                        return;
                }
        }
}

static ExitStatus launch_print(const LaunchCall *call, json_object *reply)
{
        json_object *cvm = reply_member(call->cli, reply, "cvm", json_type_object);

        progress_end();
        if (!cvm)
                return exit_status(EXIT_FAILED);
        if (call->cli->json)
                output_json(cvm);
        else if (call->options->quiet)
                printf("%s\n", call->name);
        else
                return print_summary(call->cli, cvm);
        return EXIT_OK;
}

/* r: -errno of the reply. */
static ExitStatus launch_call_fail(const LaunchCall *call, int r, CvmError *error)
{
        ExitStatus status;

        if (session_interrupted()) {
                progress_end();
                return launched_interrupted(call->cli, call->name, call->id);
        }
        if (r == -ETIMEDOUT && error->id == CVM_ERROR_SYSTEM) {
                /* the daemon itself hangs: it keeps its own time otherwise */
                cvm_error_done(error);
                cvm_error_timeout(error, "answer of the daemon", call_msec(call->options));
        }
        status = launch_spec_fail(call->cli, call->spec, error);
        launched_explain(call->cli, error, call->name, call->id);
        return status;
}

static ExitStatus launch_follow(LaunchCall *call)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        const LaunchOptions *options = call->options;
        int r = wire_client_begin(call->client, MANAGER "Launch",
                                  launch_call_parameters(options, call->id, call->spec),
                                  call->spec->fds, call->spec->n_fds, &error);

        if (r < 0)
                return session_interrupted() ? launch_call_fail(call, r, &error)
                                             : fail_error(call->cli, &error, NULL);
        progress_begin(&call->progress);
        for (;;) {
                _cleanup_json_ json_object *reply = NULL;

                launch_await(call);
                r = session_next(call->client, &reply, &error);
                if (r < 0)
                        return launch_call_fail(call, r, &error);
                if (r == 0)
                        return launch_print(call, reply);
                progress_step(&call->progress, reply);
        }
}

ExitStatus verb_launch(const Arguments *arguments)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {};
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        LaunchOptions options = launch_options(arguments);
        const Cli *cli = &arguments->cli;
        _cleanup_free_ char *id = NULL;
        ExitStatus status = launched_choose_id(cli, options.id, &id);
        LaunchCall call;

        options.spec.id = id;
        if (!status.code)
                status = launch_spec_build(cli, &options.spec, &spec);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        wire_client_set_timeout(client, call_msec(&options));
        session_catch_interrupts(client);
        call = (LaunchCall){
                .cli = cli,
                .options = &options,
                .spec = &spec,
                .name = json_member_string(spec.object, "name"),
                .id = id,
                .client = client,
        };
        call.progress = (Progress){
                .subject = call.name,
                .quiet = options.quiet || cli->json,
                .limit_sec = options.timeout_sec,
                .waits_ready = options.wait && strcmp(options.wait, "ready") == 0,
        };
        return launch_follow(&call);
}
