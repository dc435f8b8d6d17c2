/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The call is open while the CVM starts: if cvmctl ends before the last reply, the connection
 * closes and the daemon gives the launch up.
 */

#include <string.h>

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
        bool paused;
        uint64_t timeout_sec; /* 0: none */
} LaunchOptions;

static LaunchOptions launch_options(const Arguments *arguments)
{
        return (LaunchOptions){
                .spec = launch_spec_options(arguments),
                .id = arguments_value(arguments, "id"),
                .wait = arguments_value(arguments, "wait"),
                .paused = arguments_has(arguments, "paused"),
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

/* msec: how long an answer may take, for the message. */
static ExitStatus launch_follow(const Cli *cli, WireClient *client, const LaunchSpec *spec,
                                int msec, CvmError *error)
{
        const char *name = json_member_string(spec->object, "name");

        for (;;) {
                _cleanup_json_ json_object *reply = NULL;
                const char *stage;
                json_object *cvm;
                int r = session_next(client, &reply, error);

                if (r == -ETIMEDOUT && error->id == CVM_ERROR_SYSTEM) {
                        /* the daemon itself hangs: it keeps its own time otherwise */
                        cvm_error_done(error);
                        cvm_error_timeout(error, "answer of the daemon", msec);
                }
                if (r < 0)
                        return launch_spec_fail(cli, spec, error);
                stage = json_member_string(reply, "stage");
                if (r > 0) {
                        if (stage)
                                progress_show(name, stage);
                        continue;
                }
                progress_end();
                cvm = reply_member(cli, reply, "cvm", json_type_object);
                if (!cvm)
                        return exit_status(EXIT_FAILED);
                if (!cli->json)
                        return print_summary(cli, cvm);
                output_json(cvm);
                return EXIT_OK;
        }
}

ExitStatus verb_launch(const Arguments *arguments)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {};
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        const LaunchOptions options = launch_options(arguments);
        const Cli *cli = &arguments->cli;
        const char *name;
        _cleanup_free_ char *id = NULL;
        ExitStatus status = launch_spec_build(cli, &options.spec, &spec);
        int r;

        if (!status.code)
                status = launched_choose_id(cli, options.id, &id);
        if (!status.code)
                status = session_connect(cli, &client);
        if (status.code)
                return status;
        wire_client_set_timeout(client, call_msec(&options));
        r = wire_client_begin(client, MANAGER "Launch", launch_call_parameters(&options, id, &spec),
                              spec.fds, spec.n_fds, &error);
        if (r < 0)
                return fail_error(cli, &error, NULL);
        name = json_member_string(spec.object, "name");
        status = launch_follow(cli, client, &spec, call_msec(&options), &error);
        if (cvm_error_is_set(&error))
                launched_explain(cli, &error, name, id);
        return status;
}
