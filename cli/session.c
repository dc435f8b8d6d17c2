/* SPDX-License-Identifier: Apache-2.0 */
#include "session.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/json.h"
#include "fail.h"
#include "output.h"

#define SOCKET_NAME "/cvmd/io.cvmd.Manager"
#define CALLS_AT_ONCE 32u /* well below what the daemon allows a uid */

char *session_socket(const Arguments *arguments)
{
        const char *given = arguments_value(arguments, "socket") ?: getenv("CVMD_SOCKET");
        const char *runtime = getenv("XDG_RUNTIME_DIR");
        const char *system = "/run" SOCKET_NAME;
        _cleanup_free_ char *own = NULL;
        bool root = geteuid() == 0;

        if (given && *given)
                return strdup(given);
        if (!runtime || *runtime != '/')
                return strdup(system);
        if (asprintf(&own, "%s" SOCKET_NAME, runtime) < 0)
                return NULL;
        if (root && access(system, F_OK) == 0)
                return strdup(system);
        return access(own, F_OK) == 0 ? TAKE_PTR(own) : strdup(system);
}

int session_connect(const Arguments *arguments, WireClient **ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *socket = session_socket(arguments);
        int r;

        if (!socket)
                return fail_memory(arguments);
        r = wire_client_connect(socket, ret, &error);
        if (r == -ENOENT || r == -ECONNREFUSED || r == -ENOTDIR)
                return fail_no_daemon(arguments, socket, r);
        if (r == -EACCES || r == -EPERM) {
                cvm_error_done(&error);
                cvm_error_permission_denied(&error);
                return fail_error(arguments, &error, socket);
        }
        return r < 0 ? fail_error(arguments, &error, NULL) : 0;
}

int session_call(const Arguments *arguments, const char *method, json_object *parameters,
                 json_object **ret_reply)
{
        _cleanup_(wire_client_freep) WireClient *client = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        int r;

        r = session_connect(arguments, &client);
        if (r != 0) {
                json_object_put(parameters);
                return r;
        }
        r = wire_client_call(client, method, parameters, NULL, 0, ret_reply, &error);
        return r < 0 ? fail_error(arguments, &error, NULL) : 0;
}

static void show_done(const Arguments *arguments, const char *name, json_object *reply,
                      const char *done)
{
        json_object *cvm = json_member(reply, "cvm");

        if (!arguments->json) {
                printf("%s: %s\n", name, done);
                fflush(stdout);
        } else if (cvm) {
                output_json(cvm);
        } else {
                _cleanup_json_ json_object *only = json_build("name", json_new_text(name), NULL);

                output_json(only);
        }
}

/* Begins the calls of up to CALLS_AT_ONCE operands, then waits for each. */
static int call_batch(const Arguments *arguments, const char *method, json_object *parameters,
                      const char *done, size_t first, size_t n)
{
        WireClient *clients[CALLS_AT_ONCE] = {};
        CvmError errors[CALLS_AT_ONCE] = {};
        bool failed[CALLS_AT_ONCE] = {};
        int code = 0;

        for (size_t i = 0; i < n; i++) {
                json_object *copy = NULL;
                int r = session_connect(arguments, &clients[i]);

                if (r != 0) {
                        code = r;
                        n = i; /* the next ones would fail alike */
                        break;
                }
                json_object_deep_copy(parameters, &copy, NULL);
                json_object_object_add(copy, "name", json_new_text(arguments->operands[first + i]));
                failed[i] = wire_client_begin(clients[i], method, copy, NULL, 0, &errors[i]) < 0;
        }
        for (size_t i = 0; i < n; i++) {
                const char *name = arguments->operands[first + i];
                _cleanup_json_ json_object *reply = NULL;

                failed[i] = failed[i] || session_next(clients[i], &reply, &errors[i]) < 0;
                if (failed[i]) {
                        int r = fail_error(arguments, &errors[i], n > 1 ? name : NULL);

                        code = code ?: r;
                } else {
                        show_done(arguments, name, reply, done);
                }
                cvm_error_done(&errors[i]);
                wire_client_free(clients[i]);
        }
        return code;
}

int session_call_names(const Arguments *arguments, const char *method, json_object *parameters,
                       const char *done)
{
        int code = 0;

        for (size_t i = 0; i < arguments->n_operands; i += CALLS_AT_ONCE) {
                size_t left = arguments->n_operands - i;
                int r = call_batch(arguments, method, parameters, done, i,
                                   left < CALLS_AT_ONCE ? left : CALLS_AT_ONCE);

                code = code ?: r;
        }
        return code;
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

int session_interrupted_exit(void)
{
        return interrupted == SIGINT ? EXIT_INTERRUPTED : EXIT_DONE;
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
