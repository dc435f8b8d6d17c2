/* SPDX-License-Identifier: Apache-2.0 */

/* Connections, signals and messages of `run`. */

#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <systemd/sd-daemon.h>

#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "progress.h"
#include "run.h"
#include "session.h"

#define ANSWER_MSEC 10000 /* for what a live daemon answers at once */

ExitStatus run_init(const Cli *cli, const RunOptions *options, const char *name, Run *ret)
{
        sigset_t mask;

        *ret = (Run){.cli = cli, .options = *options, .signals = -1, .sequence = -1};
        ret->name = strdup(name);
        ret->console.escape = output_is_terminal(stdout);
        ret->socket = session_socket(cli);
        if (!ret->name || !ret->socket)
                return fail_memory(cli);
        sigemptyset(&mask);
        sigaddset(&mask, SIGTERM);
        sigaddset(&mask, SIGINT);
        sigprocmask(SIG_BLOCK, &mask, NULL);
        ret->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
        if (ret->signals < 0)
                return fail_local(cli, "cannot wait for signals: %s", strerror(errno));
        return EXIT_OK;
}

void run_done(Run *run)
{
        for (RunLink link = 0; link < _RUN_LINK_MAX; link++)
                run_disconnect(run, link);
        closep(&run->signals);
        json_object_put(run->cvm);
        free(run->reason);
        free(run->id);
        free(run->socket);
        free(run->name);
}

void run_notify(const Run *run, const char *state)
{
        if (run->options.notify)
                sd_notify(0, state);
}

void run_say(const Run *run, const char *format, ...)
{
        _cleanup_free_ char *text = NULL, *safe = NULL, *status = NULL;
        va_list ap;

        va_start(ap, format);
        text = text_format_v(format, ap);
        va_end(ap);
        safe = text ? text_escape_control(text) : NULL;
        if (!safe || !(status = text_format("STATUS=%s", safe)))
                return;
        run_notify(run, status);
        progress_end();
        if (!run->cli->json)
                fprintf(stderr, "cvmctl: %s: %s\n", run->name, safe);
}

void run_show(const Run *run)
{
        const char *state = json_member_string(run->cvm, "state") ?: "";
        const char *said = json_member_string(run->cvm, "guestStatus");
        _cleanup_free_ char *safe = said ? text_escape_control(said) : NULL, *status = NULL;

        if (strcmp(state, "running") == 0 && json_member_bool(run->cvm, "ready", false))
                state = "ready";
        status = text_format("STATUS=%s%s%s", state, safe ? ": " : "", safe ?: "");
        if (status)
                run_notify(run, status);
}

int run_connect(Run *run, RunLink link)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r;

        run_disconnect(run, link);
        r = wire_client_connect(run->socket, &run->links[link], &error);
        if (r == 0) /* for the rest of a reply that has begun to come */
                wire_client_set_timeout(run->links[link], ANSWER_MSEC);
        return r;
}

void run_disconnect(Run *run, RunLink link)
{
        run->links[link] = wire_client_free(run->links[link]);
}

static void take_signals(Run *run)
{
        struct signalfd_siginfo info;

        while (read(run->signals, &info, sizeof(info)) == sizeof(info)) {
                run->stops++;
                run->interrupted = run->interrupted || info.ssi_signo == SIGINT;
        }
}

unsigned run_wait(Run *run, int msec)
{
        struct pollfd fds[_RUN_LINK_MAX + 1];
        unsigned ready = 0;

        for (RunLink link = 0; link < _RUN_LINK_MAX; link++) {
                WireClient *client = run->links[link];

                fds[link] = (struct pollfd){.fd = client ? wire_client_fd(client) : -1,
                                            .events = POLLIN};
                if (client && wire_client_has_reply(client))
                        ready |= 1u << link;
        }
        fds[_RUN_LINK_MAX] = (struct pollfd){.fd = run->signals, .events = POLLIN};
        if (poll(fds, ARRAY_SIZE(fds), ready ? 0 : msec) <= 0)
                return ready;
        if (fds[_RUN_LINK_MAX].revents)
                take_signals(run);
        for (RunLink link = 0; link < _RUN_LINK_MAX; link++)
                if (fds[link].revents)
                        ready |= 1u << link;
        return ready;
}

/* Takes cvm. */
static int seen(Run *run, json_object *cvm)
{
        const char *state = json_member_string(cvm, "state");

        json_object_put(run->cvm);
        run->cvm = cvm;
        return state && strcmp(state, "stopped") != 0 && strcmp(state, "failed") != 0;
}

int run_look(Run *run)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvm;
        const char *id;
        int r;

        r = wire_client_connect(run->socket, &client, &error);
        if (r < 0)
                return r;
        wire_client_set_timeout(client, ANSWER_MSEC);
        r = wire_client_call(client, MANAGER "Status",
                             json_build("name", json_new_text(run->name), NULL), NULL, 0, &reply,
                             &error);
        if (r < 0)
                return error.id == CVM_ERROR_NO_SUCH_CVM ? 0 : r;
        cvm = json_member(reply, "cvm");
        id = json_member_string(cvm, "id");
        if (!id)
                return -EBADMSG;
        if (!run->id || strcmp(id, run->id) != 0)
                return 0;
        return seen(run, json_object_get(cvm));
}

void run_stop(Run *run)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *parameters;

        if (run->stops_sent == run->stops || (run->stops > 2 && run->stops_sent >= 2))
                return;
        run_notify(run, "STOPPING=1");
        /* the name may be another CVM's by now */
        if (run_look(run) <= 0 || run_connect(run, RUN_STOP) < 0)
                return;
        parameters = json_build("name", json_new_text(run->name), NULL);
        if (run->stops > 1)
                json_object_object_add(parameters, "force", json_object_new_boolean(true));
        if (wire_client_begin(run->links[RUN_STOP], MANAGER "Stop", parameters, NULL, 0, &error) <
            0) {
                run_disconnect(run, RUN_STOP);
                return;
        }
        run->stops_sent = run->stops;
        if (run->stops > 1)
                run_say(run, "stopping immediately");
        else if (run->interrupted)
                run_say(run, "stopping; a second Ctrl-C makes QEMU quit at once");
        else
                run_say(run, "stopping");
}
