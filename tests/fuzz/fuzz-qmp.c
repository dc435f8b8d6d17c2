/* SPDX-License-Identifier: Apache-2.0 */

/* The QMP client: whatever a server says, each command is answered once and the end comes once. */

#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "fuzz.h"
#include "qmp/qmp.h"

#define N_COMMANDS 4u

typedef struct Tally {
        unsigned answers[N_COMMANDS], n_given, ends;
} Tally;

static void on_reply(QmpClient *client, json_object *result, const char *error_class,
                     const char *error_text, void *userdata)
{
        if (!result == !error_class || !error_class != !error_text)
                abort();
        ++*(unsigned *)userdata;
}

static void give(QmpClient *client, Tally *tally)
{
        if (tally->n_given < N_COMMANDS &&
            qmp_client_execute(client, "query-status", NULL, on_reply,
                               &tally->answers[tally->n_given]) == 0)
                tally->n_given++;
}

static void on_ready(QmpClient *client, const char *version, void *userdata)
{
        give(client, userdata);
}

static void on_event(QmpClient *client, const char *name, json_object *data, void *userdata)
{
        give(client, userdata);
        if (strcmp(name, "SHUTDOWN") == 0)
                qmp_client_close(client);
}

static void on_closed(QmpClient *client, const char *reason, bool broken, void *userdata)
{
        Tally *tally = userdata;

        tally->ends++;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        static const QmpCallbacks callbacks = {on_ready, on_event, on_closed};
        Tally tally = {};
        QmpClient *client;
        uv_loop_t loop;
        int fds[2];

        if (uv_loop_init(&loop) < 0 ||
            socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fds) < 0 ||
            qmp_client_new(&loop, fds[0], &callbacks, &tally, &client) < 0)
                abort();
        give(client, &tally);
        give(client, &tally);
        while (size > 0 && tally.ends == 0) {
                ssize_t n = send(fds[1], data, size, MSG_NOSIGNAL);

                if (n > 0)
                        data += n, size -= (size_t)n;
                uv_run(&loop, UV_RUN_NOWAIT);
        }
        close(fds[1]);
        uv_run(&loop, UV_RUN_DEFAULT);
        if (tally.ends != 1 || uv_loop_close(&loop) < 0)
                abort();
        for (unsigned i = 0; i < tally.n_given; i++)
                if (tally.answers[i] != 1)
                        abort();
        return 0;
}
