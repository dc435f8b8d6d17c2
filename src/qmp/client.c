/* SPDX-License-Identifier: Apache-2.0 */
#include "qmp/qmp.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/foreign.h"
#include "base/json.h"
#include "base/text.h"
#include "qmp/message.h"

#define READ_SIZE 16384u      /* bytes a turn of the loop, so that a flood starves no other */
#define READS_AFTER_ERROR 64u /* what a socket may still hold when its peer has gone */
#define IDLE_INPUT_MAX 65536u /* an empty input buffer larger than this is given back */
#define HANDSHAKE_ID 1

typedef enum QmpState {
        QMP_STATE_GREETING,    /* waits for the greeting; commands wait in `waiting` */
        QMP_STATE_NEGOTIATING, /* qmp_capabilities is sent; commands still wait */
        QMP_STATE_READY,
        QMP_STATE_CLOSED, /* the socket is closed, the handle's close callback is on its way */
} QmpState;

typedef struct Pending {
        int64_t id;
        QmpReply reply; /* NULL: no caller waits for it */
        void *userdata;
} Pending;

struct QmpClient {
        uv_poll_t poll; /* memory is freed in its close callback alone */
        int fd;         /* owned */
        QmpState state;
        const QmpCallbacks *callbacks; /* NULL once forgotten */
        void *userdata;
        int64_t last_id;
        Pending pending[QMP_PENDING_MAX]; /* by id */
        size_t n_pending;
        Buffer input;
        size_t scanned; /* of the input, known to hold no line's end */
        Buffer output, waiting;
        char version[32]; /* from the greeting */
        char reason[96];
        bool broken; /* the peer broke the protocol */
};

static void fail_pending(QmpClient *client)
{
        while (client->n_pending > 0) {
                Pending pending = client->pending[0];

                client->n_pending--;
                memmove(client->pending, client->pending + 1,
                        client->n_pending * sizeof(client->pending[0]));
                if (client->callbacks && pending.reply)
                        pending.reply(client, NULL, "Disconnected", client->reason,
                                      pending.userdata);
        }
}

static void on_closed(uv_handle_t *handle)
{
        QmpClient *client = container_of((uv_poll_t *)handle, QmpClient, poll);

        fail_pending(client);
        if (client->callbacks)
                client->callbacks->closed(client, client->reason, client->broken, client->userdata);
        buffer_done(&client->input);
        buffer_done(&client->output);
        buffer_done(&client->waiting);
        free(client);
}

static void qmp_client_disconnect(QmpClient *client, const char *reason)
{
        if (client->state == QMP_STATE_CLOSED)
                return;
        client->state = QMP_STATE_CLOSED;
        snprintf(client->reason, sizeof(client->reason), "%s", reason);
        uv_close((uv_handle_t *)&client->poll, on_closed);
        foreign_close_socket(TAKE_FD(client->fd));
}

/* The peer sent something that is not QMP. */
static void breach(QmpClient *client, const char *reason)
{
        if (client->state == QMP_STATE_CLOSED)
                return;
        client->broken = true;
        qmp_client_disconnect(client, reason);
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void qmp_client_watch(QmpClient *client)
{
        int events = UV_READABLE | (client->output.size > 0 ? UV_WRITABLE : 0);
        int r = uv_poll_start(&client->poll, events, on_poll);

        if (r < 0)
                qmp_client_disconnect(client, uv_strerror(r));
}

static int append_command(Buffer *to, const char *command, json_object *arguments, int64_t id)
{
        _cleanup_json_ json_object *message =
                json_build("execute", json_object_new_string(command), "arguments", arguments, "id",
                           json_object_new_int64(id), NULL);

        const char *text = json_text(message);

        /* in one piece: a failed append leaves no half of a command behind */
        return text ? buffer_appendf(to, "%s\n", text) : -ENOMEM;
}

static void on_greeting(QmpClient *client, const QmpMessage *message)
{
        if (message->kind != QMP_MESSAGE_GREETING) {
                breach(client, "a message before the greeting");
                return;
        }
        snprintf(client->version, sizeof(client->version), "%u.%u.%u", message->version[0],
                 message->version[1], message->version[2]);
        client->state = QMP_STATE_NEGOTIATING;
        if (append_command(&client->output, "qmp_capabilities", NULL, HANDSHAKE_ID) < 0)
                qmp_client_disconnect(client, "out of memory");
}

static void on_negotiated(QmpClient *client, const QmpMessage *message)
{
        if (message->id != HANDSHAKE_ID) {
                breach(client, "a reply with an unknown id");
                return;
        }
        if (message->kind == QMP_MESSAGE_ERROR) {
                breach(client, "the server refused qmp_capabilities");
                return;
        }
        if (buffer_append(&client->output, client->waiting.data, client->waiting.size) < 0) {
                qmp_client_disconnect(client, "out of memory");
                return;
        }
        buffer_done(&client->waiting);
        client->state = QMP_STATE_READY;
        if (client->callbacks)
                client->callbacks->ready(client, client->version, client->userdata);
}

static void on_answer(QmpClient *client, const QmpMessage *message)
{
        bool failed = message->kind == QMP_MESSAGE_ERROR;
        Pending pending = {};
        size_t i = 0;

        while (i < client->n_pending && client->pending[i].id != message->id)
                i++;
        if (i == client->n_pending) {
                breach(client, "a reply with an unknown id");
                return;
        }
        pending = client->pending[i];
        client->n_pending--;
        memmove(client->pending + i, client->pending + i + 1,
                (client->n_pending - i) * sizeof(client->pending[0]));
        if (client->callbacks && pending.reply)
                pending.reply(client, failed ? NULL : message->payload,
                              failed ? message->error_class : NULL,
                              failed ? message->error_text : NULL, pending.userdata);
}

static void on_message(QmpClient *client, const QmpMessage *message)
{
        if (client->state == QMP_STATE_GREETING) {
                on_greeting(client, message);
                return;
        }
        switch (message->kind) {
        case QMP_MESSAGE_GREETING:
                breach(client, "a second greeting");
                return;
        case QMP_MESSAGE_EVENT:
                if (client->callbacks)
                        client->callbacks->event(client, message->event, message->payload,
                                                 client->userdata);
                return;
        case QMP_MESSAGE_RETURN:
        case QMP_MESSAGE_ERROR:
                if (client->state == QMP_STATE_READY)
                        on_answer(client, message);
                else
                        on_negotiated(client, message);
                return;
        }
}

static void on_line(QmpClient *client, const char *line, size_t size)
{
        _cleanup_(qmp_message_done) QmpMessage message = {};
        const char *reason;

        if (size > 0 && line[size - 1] == '\r')
                size--;
        if (size > QMP_MESSAGE_MAX) {
                breach(client, "a message that is too long");
                return;
        }
        reason = qmp_message_parse(line, size, &message);
        if (reason)
                breach(client, reason);
        else
                on_message(client, &message);
}

/* Handles every whole line of the input. */
static void process_input(QmpClient *client)
{
        Buffer *input = &client->input;
        size_t done = 0;

        while (client->state != QMP_STATE_CLOSED && client->scanned < input->size) {
                const char *from = input->data + client->scanned;
                const char *end = memchr(from, '\n', input->size - client->scanned);
                const char *line = input->data + done;

                if (!end) {
                        client->scanned = input->size;
                        break;
                }
                done = client->scanned = (size_t)(end - input->data) + 1;
                on_line(client, line, (size_t)(end - line));
        }
        if (client->state == QMP_STATE_CLOSED)
                return;

        buffer_consume(input, done);
        client->scanned -= done;
        if (input->size > QMP_MESSAGE_MAX + 1) /* with a \r that may be its last */
                breach(client, "a message that is too long");
        else if (input->size == 0 && input->allocated > IDLE_INPUT_MAX)
                buffer_done(input);
}

/* Returns whether bytes were read. */
static bool read_some(QmpClient *client)
{
        _uninitialized_ char bytes[READ_SIZE];
        ssize_t n = foreign_recv(client->fd, bytes, sizeof(bytes));

        if (n < 0) {
                if (n != -EAGAIN && n != -EINTR)
                        qmp_client_disconnect(client, uv_strerror((int)n));
                return false;
        }
        if (n == 0) {
                qmp_client_disconnect(client, client->input.size > 0
                                                      ? "end of file inside a message"
                                                      : "end of file");
                return false;
        }
        if (buffer_append(&client->input, bytes, (size_t)n) < 0) {
                qmp_client_disconnect(client, "out of memory");
                return false;
        }
        process_input(client);
        return client->state != QMP_STATE_CLOSED;
}

/* What a peer that has gone had sent before. */
static void read_last(QmpClient *client)
{
        for (unsigned i = 0; i < READS_AFTER_ERROR && read_some(client); i++)
                ;
}

static void write_some(QmpClient *client)
{
        ssize_t n = send(client->fd, client->output.data, client->output.size,
                         MSG_DONTWAIT | MSG_NOSIGNAL);

        if (n > 0)
                buffer_consume(&client->output, (size_t)n);
        /* a peer that has gone may have left an answer: the next read finds it, then the end */
        else if (n < 0 && errno == EPIPE)
                buffer_done(&client->output);
        else if (n < 0 && errno != EAGAIN && errno != EINTR)
                qmp_client_disconnect(client, uv_strerror(-errno));
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
        QmpClient *client = container_of(poll, QmpClient, poll);

        if (client->state == QMP_STATE_CLOSED)
                return;
        if (status < 0) {
                /* The socket is in error: its peer has gone with bytes of ours unread. What it
                 * had sent before, such as the answer to `quit`, is still there. */
                read_last(client);
                qmp_client_disconnect(client, "connection lost");
                return;
        }
        if ((events & UV_WRITABLE) && client->output.size > 0)
                write_some(client);
        if ((events & UV_READABLE) && client->state != QMP_STATE_CLOSED)
                read_some(client);
        if (client->state != QMP_STATE_CLOSED)
                qmp_client_watch(client);
}

int qmp_client_new(uv_loop_t *loop, int fd, const QmpCallbacks *callbacks, void *userdata,
                   QmpClient **ret)
{
        QmpClient *client;
        int r;

        client = malloc(sizeof(*client));
        if (!client)
                return -ENOMEM;
        *client = (QmpClient){
                .fd = fd,
                .callbacks = callbacks,
                .userdata = userdata,
                .last_id = HANDSHAKE_ID,
        };
        r = uv_poll_init(loop, &client->poll, fd); /* sets O_NONBLOCK */
        if (r < 0) {
                free(client);
                return r;
        }
        r = uv_poll_start(&client->poll, UV_READABLE, on_poll);
        if (r < 0) {
                client->fd = -1;
                qmp_client_forget(client);
                return r;
        }
        *ret = client;
        return 0;
}

int qmp_client_execute(QmpClient *client, const char *command, json_object *arguments,
                       QmpReply reply, void *userdata)
{
        Buffer *to = client->state == QMP_STATE_READY ? &client->output : &client->waiting;
        _cleanup_json_ json_object *owned = arguments;

        if (client->state == QMP_STATE_CLOSED)
                return -ENOTCONN;
        if (client->n_pending == QMP_PENDING_MAX || to->size > QMP_OUTPUT_MAX)
                return -EBUSY;
        if (append_command(to, command, TAKE_PTR(owned), client->last_id + 1) < 0)
                return -ENOMEM;
        client->pending[client->n_pending++] = (Pending){
                .id = ++client->last_id,
                .reply = reply,
                .userdata = userdata,
        };
        if (client->state == QMP_STATE_READY)
                qmp_client_watch(client);
        return 0;
}

void qmp_client_finish(QmpClient *client)
{
        if (!client)
                return;
        if (client->state != QMP_STATE_CLOSED)
                read_last(client);
        qmp_client_disconnect(client, "closed");
}

void qmp_client_close(QmpClient *client)
{
        if (client)
                qmp_client_disconnect(client, "closed");
}

void qmp_client_forget(QmpClient *client)
{
        if (!client)
                return;
        client->callbacks = NULL;
        qmp_client_disconnect(client, "closed");
}
