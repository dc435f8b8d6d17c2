/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"
#include "progress.h"

#define SOCKET_NAME "/cvmd/io.cvmd.Manager"
#define SESSION_ID_SIZE 36 /* of a UUID */
#define CALLS_AT_ONCE 32u  /* well below what the daemon allows a uid */

char *session_socket(const Cli *cli)
{
        const char *given = cli->socket ?: getenv("CVMD_SOCKET");
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        const char *system = "/run" SOCKET_NAME;
        _cleanup_free_ char *own = NULL;
        bool root = geteuid() == 0;

        if (given && *given)
                return strdup(given);
        if (!runtime || *runtime != '/')
                return strdup(system);
        own = text_format("%s" SOCKET_NAME, runtime);
        if (!own)
                return NULL;
        if (root && access(system, F_OK) == 0)
                return strdup(system);
        return access(own, F_OK) == 0 ? TAKE_PTR(own) : strdup(system);
}

ExitStatus session_connect(const Cli *cli, WireClient **ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *socket = session_socket(cli);
        int r;

        if (!socket)
                return fail_memory(cli);
        r = wire_client_connect(socket, ret, &error);
        if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
                return fail_no_daemon(cli, socket, r);
        if (r == -EACCES || r == -EPERM) {
                cvm_error_done(&error);
                cvm_error_permission_denied(&error);
                return fail_error(cli, &error, socket);
        }
        return r < 0 ? fail_error(cli, &error, NULL) : EXIT_OK;
}

ExitStatus session_call(const Cli *cli, const char *method, json_object *parameters,
                        json_object **ret_reply)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        ExitStatus status = session_connect(cli, &client);
        int r;

        if (status.code) {
                json_object_put(parameters);
                return status;
        }
        r = wire_client_call(client, method, parameters, NULL, 0, ret_reply, &error);
        return r < 0 ? fail_error(cli, &error, NULL) : EXIT_OK;
}

ExitStatus session_call_again(const Cli *cli, WireClient *client, const char *method,
                              json_object *parameters, json_object **ret_reply)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = wire_client_call(client, method, parameters, NULL, 0, ret_reply, &error);

        if (r < 0 && session_interrupted())
                return session_interrupted_exit();
        return r < 0 ? fail_error(cli, &error, NULL) : EXIT_OK;
}

/* Lowercase hex digits and dashes, as ids have them. */
static bool session_may_be_id(const char *given)
{
        size_t length = strlen(given);

        return length >= SESSION_ID_MIN && length <= SESSION_ID_SIZE &&
               strspn(given, "0123456789abcdef-") == length;
}

static bool session_is_whole_id(const char *given)
{
        return session_may_be_id(given) && strlen(given) == SESSION_ID_SIZE;
}

/* Finds the CVM of that whole id, or else of that name, or else of an id that begins so. Returns
 * EXIT_OK with *ret NULL if it is a name or there is none; borrowed from cvms. */
static ExitStatus session_find_target(const Cli *cli, json_object *cvms, const char *given,
                                      json_object **ret)
{
        size_t n = json_object_is_type(cvms, json_type_array) ? json_object_array_length(cvms) : 0;
        json_object *found = NULL, *other = NULL;
        bool named = false;

        for (size_t i = 0; i < n; i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);
                const char *name = json_member_string(cvm, "name");
                const char *id = json_member_string(cvm, "id");

                named = named || (name && strcmp(name, given) == 0);
                if (!name || !id || strncmp(id, given, strlen(given)) != 0)
                        continue;
                other = found;
                found = cvm;
        }
        if (named && !session_is_whole_id(given))
                found = NULL;
        else if (other)
                return fail_usage(cli, "'%s' is the beginning of the ids of '%s' and '%s'", given,
                                  json_member_string(other, "name"),
                                  json_member_string(found, "name"));
        *ret = found;
        return EXIT_OK;
}

SessionTarget *session_targets_free(SessionTarget *targets, size_t n)
{
        for (size_t i = 0; targets && i < n; i++) {
                free(targets[i].name);
                free(targets[i].id);
        }
        free(targets);
        return NULL;
}

static ExitStatus session_set_target(const Cli *cli, json_object *cvms, const char *given,
                                     SessionTarget *target)
{
        json_object *cvm = NULL;
        ExitStatus status = EXIT_OK;
        const char *id;

        if (cvms && session_may_be_id(given))
                status = session_find_target(cli, cvms, given, &cvm);
        if (status.code)
                return status;
        target->unsure = !cvms && session_is_whole_id(given);
        id = target->unsure ? given : json_member_string(cvm, "id");
        target->name = strdup(cvm ? json_member_string(cvm, "name") : given);
        target->id = id ? strdup(id) : NULL;
        return target->name && (target->id || !id) ? EXIT_OK : fail_memory(cli);
}

ExitStatus session_resolve(const Cli *cli, const char *const *given, size_t n, bool look_up,
                           SessionTarget **ret)
{
        SessionTarget *targets = calloc(n + 1, sizeof(*targets));
        _cleanup_json_ json_object *reply = NULL;
        ExitStatus status = EXIT_OK;
        bool ask = false;

        if (!targets)
                return fail_memory(cli);
        for (size_t i = 0; i < n; i++)
                ask = ask ||
                      (session_may_be_id(given[i]) && (look_up || !session_is_whole_id(given[i])));
        if (ask)
                status = session_call(cli, MANAGER "List", NULL, &reply);
        if (!status.code) {
                json_object *cvms = json_member(reply, "cvms");

                for (size_t i = 0; i < n; i++)
                        status = exit_first(status,
                                            session_set_target(cli, cvms, given[i], &targets[i]));
        }
        if (status.code)
                session_targets_free(targets, n);
        else
                *ret = targets;
        return status;
}

void session_put_target(const SessionTarget *target, json_object *parameters)
{
        if (target->id)
                json_object_object_add(parameters, "id", json_new_text(target->id));
        else
                json_object_object_add(parameters, "name", json_new_text(target->name));
}

ExitStatus session_add_target(const Cli *cli, const char *given, json_object *parameters)
{
        SessionTarget *target = NULL;
        ExitStatus status = session_resolve(cli, &given, 1, true, &target);

        if (status.code)
                return status;
        session_put_target(target, parameters);
        session_targets_free(target, 1);
        return EXIT_OK;
}

static void show_done(const Cli *cli, const char *name, json_object *reply, const char *done)
{
        json_object *cvm = json_member(reply, "cvm");
        const char *state = json_member_string(cvm, "state");
        const char *reason = json_member_string(json_member(cvm, "ending"), "reason");
        bool has_failed = state && strcmp(state, "failed") == 0 && strcmp(done, "stopped") == 0;

        progress_end();
        if (!cli->json) {
                printf("%s: %s%s%s\n", name, has_failed ? state : done,
                       has_failed && reason ? ": " : "", has_failed && reason ? reason : "");
                output_finish();
        } else if (cvm) {
                output_json(cvm);
        } else {
                _cleanup_json_ json_object *only = json_build("name", json_new_text(name), NULL);

                output_json(only);
        }
}

/* One of several calls that are made at the same time. */
typedef struct SessionCall {
        WireClient *client;
        CvmError error;
        bool failed;
        ExitStatus status; /* of a failure that was printed already */
} SessionCall;

/* What a batch of calls has in common. */
typedef struct SessionBatch {
        const Cli *cli;
        const char *method, *done;
        json_object *parameters;
        bool many;           /* a failure names its CVM */
        const char *awaited; /* what a terminal shows meanwhile, or NULL */
} SessionBatch;

/* A guest has a minute or so for its power button: who waits learns for what. */
static const char *session_awaited(const Cli *cli, const char *method, json_object *parameters)
{
        if (cli->json || strcmp(method, MANAGER "Stop") != 0 ||
            json_member_bool(parameters, "force", false))
                return NULL;
        return "powering off; stop --force does not wait";
}

static void session_call_begin(const SessionBatch *batch, SessionCall *call,
                               const SessionTarget *target)
{
        json_object *copy = NULL;

        call->status = session_connect(batch->cli, &call->client);
        if (call->status.code)
                return;
        json_object_deep_copy(batch->parameters, &copy, NULL);
        session_put_target(target, copy);
        call->failed =
                wire_client_begin(call->client, batch->method, copy, NULL, 0, &call->error) < 0;
}

/* No CVM has that id: there may be one whose name looks like an id. */
static void session_call_by_name(const SessionBatch *batch, SessionCall *call,
                                 const SessionTarget *target)
{
        json_object *copy = NULL;

        cvm_error_done(&call->error);
        json_object_deep_copy(batch->parameters, &copy, NULL);
        json_object_object_add(copy, "name", json_new_text(target->name));
        call->failed =
                wire_client_begin(call->client, batch->method, copy, NULL, 0, &call->error) < 0;
}

static ExitStatus session_call_end(const SessionBatch *batch, SessionCall *call,
                                   const SessionTarget *target)
{
        _cleanup_json_ json_object *reply = NULL;
        const char *name;
        int r;

        if (call->status.code)
                return call->status;
        r = call->failed ? -1 : session_next(call->client, &reply, &call->error);
        if (r < 0 && target->unsure && call->error.id == CVM_ERROR_NO_SUCH_CVM) {
                session_call_by_name(batch, call, target);
                r = call->failed ? -1 : session_next(call->client, &reply, &call->error);
        }
        if (r < 0 && target->may_be_gone && call->error.id == CVM_ERROR_NO_SUCH_CVM)
                return EXIT_OK;
        if (r < 0)
                return fail_error(batch->cli, &call->error, batch->many ? target->name : NULL);
        name = target->unsure ? json_member_string(json_member(reply, "cvm"), "name") : NULL;
        show_done(batch->cli, name ?: target->name, reply, batch->done);
        return EXIT_OK;
}

/* Begins the calls for up to CALLS_AT_ONCE CVMs, then waits for each. */
static ExitStatus call_batch(const SessionBatch *batch, const SessionTarget *targets, size_t n)
{
        SessionCall calls[CALLS_AT_ONCE] = {};
        ExitStatus status = EXIT_OK;

        for (size_t i = 0; i < n; i++) {
                session_call_begin(batch, &calls[i], &targets[i]);
                if (calls[i].status.code)
                        n = i + 1; /* no daemon answers: the next ones would fail alike */
        }
        for (size_t i = 0; i < n; i++) {
                if (batch->awaited)
                        progress_show(targets[i].name, batch->awaited);
                status = exit_first(status, session_call_end(batch, &calls[i], &targets[i]));
                progress_end();
                cvm_error_done(&calls[i].error);
                wire_client_free(calls[i].client);
        }
        return status;
}

/* end: of CLOCK_MONOTONIC, in microseconds; 0: none. A call has a second at least, to see what is
 * so already. */
static void set_timeout(json_object *parameters, int64_t end)
{
        int64_t left = end - clock_monotonic_usec();

        if (end)
                json_object_object_add(
                        parameters, "timeoutSec",
                        json_object_new_int64(left > 1000000 ? (left + 999999) / 1000000 : 1));
}

ExitStatus session_call_targets(const Cli *cli, const char *method, json_object *parameters,
                                const char *done, const SessionTarget *targets, size_t n,
                                uint64_t timeout_sec)
{
        int64_t end = timeout_sec ? clock_monotonic_usec() + (int64_t)timeout_sec * 1000000 : 0;
        const SessionBatch batch = {
                cli, method, done, parameters, n > 1, session_awaited(cli, method, parameters),
        };
        ExitStatus status = EXIT_OK;

        for (size_t i = 0; i < n; i += CALLS_AT_ONCE) {
                size_t size = n - i < CALLS_AT_ONCE ? n - i : CALLS_AT_ONCE;

                set_timeout(parameters, end);
                status = exit_first(status, call_batch(&batch, &targets[i], size));
        }
        return status;
}

ExitStatus session_call_names_within(const Cli *cli, const char *method, json_object *parameters,
                                     const char *done, const char *const *names, size_t n,
                                     uint64_t timeout_sec)
{
        /* its reply does not say which CVM it was */
        bool look_up = strcmp(method, MANAGER "Remove") == 0;
        SessionTarget *targets = NULL;
        ExitStatus status = session_resolve(cli, names, n, look_up, &targets);

        if (status.code)
                return status;
        status = session_call_targets(cli, method, parameters, done, targets, n, timeout_sec);
        session_targets_free(targets, n);
        return status;
}

ExitStatus session_call_names(const Cli *cli, const char *method, json_object *parameters,
                              const char *done, const char *const *names, size_t n)
{
        return session_call_names_within(cli, method, parameters, done, names, n, 0);
}

/* What the signal handler works on. */
static volatile sig_atomic_t interrupt_fd = -1, interrupted;

static void on_interrupt(int signal)
{
        int saved = errno;

        interrupted = signal;
        /* a flag alone could come just before the wait that it should end */
        shutdown(interrupt_fd, SHUT_RDWR);
        errno = saved;
}

void session_catch_interrupts(const WireClient *client)
{
        struct sigaction action = {.sa_handler = on_interrupt};

        interrupt_fd = wire_client_fd(client);
        sigaction(SIGINT, &action, NULL);
        sigaction(SIGTERM, &action, NULL);
}

void session_catch_hangups(const WireClient *client)
{
        struct sigaction action = {.sa_handler = on_interrupt};

        session_catch_interrupts(client);
        sigaction(SIGHUP, &action, NULL);
        sigaction(SIGQUIT, &action, NULL);
}

int session_interrupted(void)
{
        return interrupted;
}

ExitStatus session_interrupted_exit(void)
{
        return exit_status(interrupted == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE);
}

ExitStatus session_watch_output(const Cli *cli, WireClient *client)
{
        int r = output_check();

        wire_client_set_output(client, STDOUT_FILENO);
        return r < 0 ? fail_output(cli, r) : EXIT_OK;
}

/* Whether standard output is a pipe or socket whose reader has gone. */
static bool session_output_is_gone(void)
{
        struct pollfd output = {.fd = STDOUT_FILENO};

        return poll(&output, 1, 0) > 0 && (output.revents & (POLLERR | POLLHUP));
}

int session_next(WireClient *client, json_object **ret_reply, CvmError *error)
{
        int r;

        do {
                r = wire_client_next(client, ret_reply, error);
                if (r == -EINTR && !interrupted)
                        cvm_error_done(error);
        } while (r == -EINTR && !interrupted);
        if (r == -EPIPE && session_output_is_gone()) {
                raise(SIGPIPE);
                cvm_error_done(error);
                return cvm_error_system(error, r, "cannot write the output");
        }
        return r;
}
