/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The call is open while the CVM starts: whoever ends cvmctl before the last reply closes the
 * connection, and with that the daemon takes the launch back.
 */

#include <string.h>

#include "base/json.h"
#include "fail.h"
#include "launch_spec.h"
#include "output.h"
#include "progress.h"
#include "reply.h"
#include "session.h"

#define TIMEOUT_GRACE_SEC 10 /* for the daemon to take the launch back and say so */

static json_object *launch_call_parameters(const Arguments *arguments, const LaunchSpec *spec)
{
        static const char *const texts[] = {"id", "wait"};
        uint64_t timeout = arguments_number(arguments, "timeout", 0);
        json_object *parameters = json_build("spec", json_object_get(spec->object), NULL);

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                const char *value = arguments_value(arguments, texts[i]);

                if (value)
                        json_object_object_add(parameters, texts[i], json_new_text(value));
        }
        if (arguments_has(arguments, "paused"))
                json_object_object_add(parameters, "paused", json_object_new_boolean(true));
        if (timeout)
                json_object_object_add(parameters, "timeoutSec",
                                       json_object_new_int64((int64_t)timeout));
        return parameters;
}

static int print_summary(const Arguments *arguments, json_object *cvm)
{
        _cleanup_free_ char *name = output_member(cvm, "name");
        _cleanup_free_ char *state = output_member(cvm, "state");
        _cleanup_free_ char *forwards = output_forwards(cvm);
        bool ready = json_member_bool(cvm, "ready", false);

        if (!name || !state || !forwards)
                return fail_memory(arguments);
        printf("%s: %s%s%s%s\n", name, state, ready ? ", ready" : "",
               strcmp(forwards, "-") != 0 ? ", " : "", strcmp(forwards, "-") != 0 ? forwards : "");
        if (json_member_bool(cvm, "debug", false))
                fputs("cvmctl: note: a debug launch measures differently\n", stderr);
        return EXIT_DONE;
}

/* How long an answer may take; -1: for ever. */
static int call_msec(const Arguments *arguments)
{
        uint64_t seconds = arguments_number(arguments, "timeout", 0);

        return seconds ? (int)(seconds + TIMEOUT_GRACE_SEC) * 1000 : -1;
}

static int launch_follow(const Arguments *arguments, WireClient *client, const char *name,
                         CvmError *error)
{
        for (;;) {
                _cleanup_json_ json_object *reply = NULL;
                const char *stage;
                json_object *cvm;
                int r = session_next(client, &reply, error);

                if (r == -ETIMEDOUT && error->id == CVM_ERROR_SYSTEM) {
                        /* the daemon itself hangs: it keeps its own time otherwise */
                        cvm_error_done(error);
                        cvm_error_timeout(error, "answer of the daemon", call_msec(arguments));
                }
                if (r < 0)
                        return fail_error(arguments, error, NULL);
                stage = json_member_string(reply, "stage");
                if (r > 0) {
                        if (stage)
                                progress_show(name, stage);
                        continue;
                }
                progress_end();
                cvm = reply_member(arguments, reply, "cvm", json_type_object);
                if (!cvm)
                        return EXIT_FAILED;
                if (!arguments->json)
                        return print_summary(arguments, cvm);
                output_json(cvm);
                return EXIT_DONE;
        }
}

int verb_launch(const Arguments *arguments)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {};
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        int r;

        r = launch_spec_build(arguments, arguments_value(arguments, "file"), false, &spec);
        if (r == 0)
                r = session_connect(arguments, &client);
        if (r != 0)
                return r;
        wire_client_set_timeout(client, call_msec(arguments));
        r = wire_client_begin(client, MANAGER "Launch", launch_call_parameters(arguments, &spec),
                              spec.fds, spec.n_fds, &error);
        if (r < 0)
                return fail_error(arguments, &error, NULL);
        return launch_follow(arguments, client, json_member_string(spec.object, "name"), &error);
}
