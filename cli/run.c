/* SPDX-License-Identifier: Apache-2.0 */

/*
 * The life of `run`: launched or taken over, the CVM is watched until it ends, over as many
 * connections as that takes. Events only say that something has changed; what it is now is always
 * asked for, so that nothing depends on an event that a restarted daemon no longer has.
 */

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "launched.h"
#include "named_spec.h"
#include "run.h"
#include "session.h"
#include "spec/spec.h"

#define SETTLED_MSEC 5000   /* a connection of that age does not count as a failed attempt */
#define LAST_WORDS_MSEC 200 /* for the console's end and the last events to come */

/* A reply with console output; at the stream's end there is no more. */
static void print_console(Run *run)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        _cleanup_free_ uint8_t *bytes = NULL;
        const char *data;
        size_t size;
        int written;
        int r = wire_client_next(run->links[RUN_LOGS], &reply, &error);

        data = r < 0 ? NULL : json_member_string(reply, "data");
        if (data && text_unbase64(data, &bytes, &size) == 0) {
                output_raw(&run->console, bytes, size);
                written = output_finish();
                if (written < 0) { /* the CVM keeps running; the exit status says so, too */
                        fail_output(run->cli, written);
                        r = written;
                }
        }
        if (r <= 0)
                run_disconnect(run, RUN_LOGS);
}

/* lines 0: only what comes from now on. */
static void follow_console(Run *run, bool all)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *parameters;

        if (!run->options.console || run_connect(run, RUN_LOGS) < 0)
                return;
        parameters = json_build("name", json_new_text(run->name), "follow",
                                json_object_new_boolean(true), NULL);
        if (!all)
                json_object_object_add(parameters, "lines", json_object_new_int64(0));
        if (wire_client_begin(run->links[RUN_LOGS], MANAGER "Logs", parameters, NULL, 0, &error) <
            0)
                run_disconnect(run, RUN_LOGS);
}

/* What a stop was answered: that it is done is seen elsewhere, that it was refused is only here. */
static void take_stop(Run *run)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        if (wire_client_next(run->links[RUN_STOP], NULL, &error) < 0 &&
            error.id != CVM_ERROR_SYSTEM && error.id != CVM_ERROR_NO_SUCH_CVM)
                fail_error(run->cli, &error, "stop");
        run_disconnect(run, RUN_STOP);
}

/* Tells what the CVM has come to while it lives. */
static void announce(Run *run)
{
        bool ready = json_member_bool(run->cvm, "ready", false);

        if (run->announced)
                return;
        if (ready || run->options.wait_running) {
                run->announced = true;
                launched_note_plain(run->cvm);
                run_say(run, ready ? "ready" : "running");
                run_notify(run, "READY=1");
        }
}

/* An event; returns whether it is about this CVM. Negative: the watch has ended. */
static int take_event(Run *run)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        const char *id, *reason;
        json_object *event;
        int r = wire_client_next(run->links[RUN_MAIN], &reply, &error);

        if (r < 0) {
                if (error.id == CVM_ERROR_EVENTS_LOST)
                        run->sequence = -1; /* from the oldest that there is */
                return r;
        }
        if (r == 0) /* the daemon ends */
                return -ECONNRESET;
        event = json_member(reply, "event");
        id = json_member_string(event, "id");
        run->sequence = json_member_int(event, "sequence", run->sequence);
        if (!id || strcmp(id, run->id) != 0)
                return 0;
        reason = json_member_string(json_member(event, "detail"), "reason");
        if (reason && !run->reason)
                run->reason = strdup(reason);
        return 1;
}

/* Says how it ended, and returns the exit status for it. */
static ExitStatus conclude(Run *run)
{
        json_object *ending = json_member(run->cvm, "ending");
        const char *reason, *detail = json_member_string(ending, "detail");
        const char *state = json_member_string(run->cvm, "state");
        bool failed = state && strcmp(state, "failed") == 0;

        /* a CVM that was removed with its end is known by its events alone */
        while (!ending && !run->reason && run->links[RUN_MAIN] &&
               run_wait(run, LAST_WORDS_MSEC) & 1u << RUN_MAIN && take_event(run) >= 0)
                ;
        reason = json_member_string(ending, "reason") ?: run->reason;
        while (run->links[RUN_LOGS] && run_wait(run, LAST_WORDS_MSEC) & 1u << RUN_LOGS)
                print_console(run);
        if (run->cli->json && run->cvm)
                output_json(run->cvm);
        if (run->stops > 0 && (!reason || strcmp(reason, "launch-failed") == 0)) {
                reason = "stopped"; /* before it ran, as was asked for */
                detail = NULL;
                failed = false;
        }
        if (!reason) {
                run_say(run, "the CVM disappeared; cause unknown");
                return exit_status(EXIT_LOST);
        }
        run_say(run, "%s%s%s", reason, detail ? ": " : "", detail ?: "");
        return exit_of_ending(reason, failed);
}

/* Until the CVM has ended (0) or the connection has (negative). */
static int run_follow(Run *run)
{
        bool changed = true;

        for (;;) {
                unsigned ready;
                int r;

                run_stop(run);
                ready = run_wait(run, changed ? 0 : -1);
                if (ready & 1u << RUN_LOGS)
                        print_console(run);
                if (ready & 1u << RUN_STOP)
                        take_stop(run);
                if (ready & 1u << RUN_MAIN) {
                        r = take_event(run);
                        if (r < 0)
                                return r;
                        changed = changed || r > 0;
                        continue; /* many events are one change */
                }
                if (!changed)
                        continue;
                r = run_look(run);
                if (r <= 0)
                        return r;
                changed = false;
                announce(run);
                run_show(run);
        }
}

/* Begins the call that reports changes. Returns 0 or -errno. */
static int watch(Run *run)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *parameters;
        int r = run_connect(run, RUN_MAIN);

        if (r < 0)
                return r;
        parameters =
                json_build("name", json_new_text(run->name), "fromSequence",
                           json_object_new_int64(run->sequence < 0 ? 0 : run->sequence + 1), NULL);
        return wire_client_begin(run->links[RUN_MAIN], MANAGER "Watch", parameters, NULL, 0,
                                 &error);
}

static ExitStatus live(Run *run)
{
        int64_t patience = (int64_t)run->options.reconnect_msec;
        int64_t away_since = -1;
        bool said = false;

        for (;;) {
                bool lost_events = run->sequence < 0;

                if (watch(run) == 0 && run_look(run) >= 0) {
                        int64_t since = clock_monotonic_msec();

                        if (said) {
                                said = false;
                                run_say(run, "the daemon is back");
                                follow_console(run, false);
                        }
                        if (run_follow(run) == 0)
                                return conclude(run);
                        if (clock_monotonic_msec() - since >= SETTLED_MSEC)
                                away_since = -1;
                }
                if (!lost_events && run->sequence < 0)
                        continue;
                if (!said)
                        run_say(run, "the daemon is not answering; waiting for it");
                said = true;
                if (away_since < 0)
                        away_since = clock_monotonic_msec();
                run->stops_sent = 0; /* it may have forgotten */
                for (RunLink link = 0; link < _RUN_LINK_MAX; link++)
                        run_disconnect(run, link);
                if (run->stops > 1 || clock_monotonic_msec() - away_since >= patience) {
                        fail_local(run->cli,
                                   "%s: the daemon is not answering; leaving the CVM as it is (it "
                                   "may still be running)",
                                   run->name);
                        return exit_status(EXIT_DAEMON_AWAY);
                }
                run_wait(run, RUN_RETRY_MSEC);
        }
}

static RunOptions run_options(const Arguments *arguments)
{
        const char *wait = arguments_value(arguments, "wait");

        return (RunOptions){
                .spec = launch_spec_options(arguments),
                .id = arguments_value(arguments, "id"),
                .wait_running = wait && strcmp(wait, "running") == 0,
                .console = arguments_has(arguments, "console"),
                .notify = arguments_has(arguments, "notify"),
                .defaults = arguments_has(arguments, "defaults"),
                .timeout_sec = arguments_number(arguments, "timeout", 0),
                .reconnect_msec =
                        arguments_number(arguments, "reconnect-timeout", RUN_RECONNECT_SEC) * 1000,
        };
}

/* The spec file: the one that is given, or that of the name; *ret is NULL with --defaults. */
static ExitStatus find_spec(const Cli *cli, const RunOptions *options, char **ret)
{
        const LaunchSpecOptions *spec = &options->spec;

        *ret = NULL;
        if (options->defaults && spec->file)
                return fail_usage(cli, "--defaults and --file exclude each other");
        if (spec->file) {
                *ret = strdup(spec->file);
                return *ret ? EXIT_OK : fail_memory(cli);
        }
        /* what is not a name is refused later, as the field of a spec */
        if (options->defaults || !spec->name || !spec_name_is_valid(spec->name))
                return EXIT_OK;
        return named_spec_find(cli, spec->name, ret);
}

ExitStatus verb_run(const Arguments *arguments)
{
        _cleanup_(launch_spec_done) LaunchSpec spec = {};
        _cleanup_(run_done) Run run = {.signals = -1};
        _cleanup_free_ char *file = NULL;
        RunOptions options = run_options(arguments);
        const Cli *cli = &arguments->cli;
        bool there, fresh;
        ExitStatus status = find_spec(cli, &options, &file);

        options.spec.file = file;
        if (!status.code)
                status = launch_spec_build(cli, &options.spec, &spec);
        if (!status.code)
                status = run_init(cli, &options, json_member_string(spec.object, "name"), &run);
        if (!status.code)
                status = run_launch(&run, &spec, &there);
        launch_spec_done(&spec); /* its secrets are no more needed here */
        if (status.code)
                return status;
        if (!there) {
                run_say(&run, "the launch was cancelled");
                return exit_status(run.interrupted ? EXIT_INTERRUPTED : EXIT_DONE);
        }
        fresh = run.cvm == NULL;
        follow_console(&run, fresh);
        return live(&run);
}
