/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/text.h"
#include "fail.h"
#include "output.h"

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

/* Lowercase hex digits and dashes, as ids have them. */
static bool session_may_be_id(const char *given)
{
        size_t length = strlen(given);

        return length >= SESSION_ID_MIN && length <= SESSION_ID_SIZE &&
               strspn(given, "0123456789abcdef-") == length;
}

/* Finds the CVM of that name, or else of an id that begins so. Returns EXIT_OK with *ret NULL if
 * there is none; borrowed from cvms. */
static ExitStatus session_find_target(const Cli *cli, json_object *cvms, const char *given,
                                      json_object **ret)
{
        size_t n = json_object_is_type(cvms, json_type_array) ? json_object_array_length(cvms) : 0;
        json_object *found = NULL, *other = NULL;

        for (size_t i = 0; i < n; i++) {
                json_object *cvm = json_object_array_get_idx(cvms, i);
                const char *name = json_member_string(cvm, "name");
                const char *id = json_member_string(cvm, "id");

                if (name && strcmp(name, given) == 0) {
                        *ret = NULL;
                        return EXIT_OK;
                }
                if (!name || !id || strncmp(id, given, strlen(given)) != 0)
                        continue;
                other = found;
                found = cvm;
        }
        if (other)
                return fail_usage(cli, "'%s' is the beginning of the ids of '%s' and '%s'", given,
                                  json_member_string(other, "name"),
                                  json_member_string(found, "name"));
        *ret = found;
        return EXIT_OK;
}

ExitStatus session_add_target(const Cli *cli, const char *given, json_object *parameters,
                              char **ret_name)
{
        _cleanup_json_ json_object *reply = NULL;
        json_object *cvm = NULL;
        const char *name = given;

        if (session_may_be_id(given)) {
                ExitStatus status = session_call(cli, MANAGER "List", NULL, &reply);

                if (!status.code)
                        status = session_find_target(cli, json_member(reply, "cvms"), given, &cvm);
                if (status.code)
                        return status;
        }
        if (cvm) {
                name = json_member_string(cvm, "name");
                json_object_object_add(parameters, "id", json_object_get(json_member(cvm, "id")));
        } else {
                json_object_object_add(parameters, "name", json_new_text(given));
        }
        if (ret_name && !(*ret_name = strdup(name)))
                return fail_memory(cli);
        return EXIT_OK;
}

static void show_done(const Cli *cli, const char *name, json_object *reply, const char *done)
{
        json_object *cvm = json_member(reply, "cvm");

        if (!cli->json) {
                printf("%s: %s\n", name, done);
                fflush(stdout);
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
        char *name; /* of the CVM */
        CvmError error;
        bool failed;
        ExitStatus status; /* of a failure that was printed already */
} SessionCall;

static void session_call_begin(const Cli *cli, SessionCall *call, const char *method,
                               json_object *parameters, const char *given)
{
        json_object *copy = NULL;

        json_object_deep_copy(parameters, &copy, NULL);
        call->status = session_add_target(cli, given, copy, &call->name);
        if (!call->status.code)
                call->status = session_connect(cli, &call->client);
        if (!call->status.code)
                call->failed =
                        wire_client_begin(call->client, method, copy, NULL, 0, &call->error) < 0;
        else
                json_object_put(copy);
}

/* many: a failure names its CVM. */
static ExitStatus session_call_end(const Cli *cli, SessionCall *call, const char *done, bool many)
{
        _cleanup_json_ json_object *reply = NULL;

        if (call->status.code)
                return call->status;
        if (call->failed || session_next(call->client, &reply, &call->error) < 0)
                return fail_error(cli, &call->error, many ? call->name : NULL);
        show_done(cli, call->name, reply, done);
        return EXIT_OK;
}

/* Begins the calls for up to CALLS_AT_ONCE names, then waits for each. */
static ExitStatus call_batch(const Cli *cli, const char *method, json_object *parameters,
                             const char *done, const char *const *names, size_t n, bool many)
{
        SessionCall calls[CALLS_AT_ONCE] = {};
        ExitStatus status = EXIT_OK;

        for (size_t i = 0; i < n; i++) {
                session_call_begin(cli, &calls[i], method, parameters, names[i]);
                if (calls[i].status.code && calls[i].status.code != EXIT_USAGE)
                        n = i + 1; /* no daemon answers: the next ones would fail alike */
        }
        for (size_t i = 0; i < n; i++) {
                status = exit_first(status, session_call_end(cli, &calls[i], done, many));
                cvm_error_done(&calls[i].error);
                wire_client_free(calls[i].client);
                free(calls[i].name);
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

ExitStatus session_call_names_within(const Cli *cli, const char *method, json_object *parameters,
                                     const char *done, const char *const *names, size_t n,
                                     uint64_t timeout_sec)
{
        int64_t end = timeout_sec ? clock_monotonic_usec() + (int64_t)timeout_sec * 1000000 : 0;
        ExitStatus status = EXIT_OK;

        for (size_t i = 0; i < n; i += CALLS_AT_ONCE) {
                size_t size = n - i < CALLS_AT_ONCE ? n - i : CALLS_AT_ONCE;

                set_timeout(parameters, end);
                status = exit_first(
                        status, call_batch(cli, method, parameters, done, &names[i], size, n > 1));
        }
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

int session_interrupted(void)
{
        return interrupted;
}

ExitStatus session_interrupted_exit(void)
{
        return exit_status(interrupted == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE);
}

int session_next(WireClient *client, json_object **ret_reply, CvmError *error)
{
        int r;

        do {
                r = wire_client_next(client, ret_reply, error);
                if (r == -EINTR && !interrupted)
                        cvm_error_done(error);
        } while (r == -EINTR && !interrupted);
        return r;
}
