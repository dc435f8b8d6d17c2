/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/client.h"

#include <fcntl.h>
#include <poll.h>
#include <string.h>

#include "base/socket.h"
#include "wire/message.h"

#define READ_SIZE 65536u

struct WireClient {
        int fd; /* -1 once handed over */
        int timeout;
        int output;   /* -1: none */
        bool pending; /* a call has begun and its last reply has not come */
        bool more;    /* … which may have several */
        bool spent;   /* the stream is out of step, or ended */
        Buffer input;
        size_t scanned; /* bytes of input without a NUL byte */
};

static const char *const system_operation = "communicate with the daemon";

/* Returns a descriptor or -errno. */
static int wire_client_open(const char *path)
{
        _cleanup_close_ int fd = -1;
        struct sockaddr_un address;
        int r = socket_address(path, &address);

        if (r < 0)
                return r;
        fd = socket_connect(&address, 0);
        if (fd < 0)
                return fd;
        return fcntl(fd, F_SETFL, O_NONBLOCK) < 0 ? -errno : TAKE_FD(fd);
}

int wire_client_connect(const char *path, WireClient **ret, CvmError *error)
{
        _cleanup_(wire_client_freep) WireClient *client = calloc(1, sizeof(*client));

        if (!client)
                return cvm_error_system(error, -ENOMEM, "connect to %s", path);
        client->timeout = -1;
        client->output = -1;
        client->fd = wire_client_open(path);
        if (client->fd < 0)
                return cvm_error_system(error, client->fd, "connect to %s", path);
        *ret = TAKE_PTR(client);
        return 0;
}

WireClient *wire_client_free(WireClient *client)
{
        if (!client)
                return NULL;
        closep(&client->fd);
        buffer_done(&client->input);
        free(client);
        return NULL;
}

int wire_client_fd(const WireClient *client)
{
        return client->fd;
}

void wire_client_set_timeout(WireClient *client, int msec)
{
        client->timeout = msec;
}

void wire_client_set_output(WireClient *client, int fd)
{
        client->output = fd;
}

/* What failed; the peer that ends or resets the connection is cvmd. */
static const char *wire_client_operation(int r)
{
        return r == -ECONNRESET || r == -EPIPE ? "the connection to cvmd was lost"
                                               : system_operation;
}

/* The stream cannot be used any more. */
static int wire_client_fail(WireClient *client, int r, CvmError *error)
{
        client->spent = true;
        client->pending = false;
        return cvm_error_system(error, r, "%s", wire_client_operation(r));
}

/* 0 or -errno; -EINTR after a signal, -EPIPE if nobody reads the output any more. */
static int wire_client_wait_for(WireClient *client, short events)
{
        struct pollfd fds[] = {
                {.fd = client->fd, .events = events}, {.fd = client->output}, /* its error alone */
        };
        int n = poll(fds, ARRAY_SIZE(fds), client->timeout);

        if (n < 0)
                return -errno;
        if (fds[1].revents & (POLLERR | POLLHUP))
                return -EPIPE;
        return n == 0 ? -ETIMEDOUT : 0;
}

static int wire_client_send_all(WireClient *client, const Buffer *message, const int *fds,
                                size_t n_fds)
{
        size_t sent = 0;

        while (sent < message->size) {
                ssize_t n = socket_send(client->fd, message->data + sent, message->size - sent, fds,
                                        sent ? 0 : n_fds, MSG_DONTWAIT);

                if (n > 0) {
                        sent += (size_t)n;
                        continue;
                }
                if (n == -EAGAIN)
                        n = wire_client_wait_for(client, POLLOUT);
                if (n < 0 && n != -EINTR)
                        return (int)n;
        }
        return 0;
}

/* Takes parameters. */
static int wire_client_send_call(WireClient *client, const char *method, json_object *parameters,
                                 WireCallKind kind, const int *fds, size_t n_fds, CvmError *error)
{
        _cleanup_(buffer_done) Buffer message = {};
        _cleanup_json_ json_object *held = parameters;
        int r;

        if (client->spent)
                return cvm_error_system(error, -ENOTCONN, "%s", system_operation);
        if (client->pending)
                return cvm_error_system(error, -EBUSY, "%s", system_operation);
        if (n_fds > SOCKET_FDS_MAX)
                return cvm_error_system(error, -E2BIG, "send %zu descriptors", n_fds);
        r = wire_message_append_call(&message, method, parameters, kind);
        if (r < 0)
                return cvm_error_system(error, r, "%s", system_operation);
        r = wire_client_send_all(client, &message, fds, n_fds);
        /* A peer that refuses a call before its end has said why, and closed the connection. */
        if (r < 0 && r != -EPIPE && r != -ECONNRESET)
                return wire_client_fail(client, r, error);
        client->pending = true;
        client->more = kind == WIRE_CALL_MORE;
        return 0;
}

/* Reads on. 0 or -errno; -ECONNRESET at the end of the stream. */
static int receive_some(WireClient *client)
{
        _uninitialized_ char scratch[READ_SIZE];
        ssize_t n;

        n = recv(client->fd, scratch, sizeof(scratch), MSG_DONTWAIT);
        if (n > 0)
                return buffer_append(&client->input, scratch, (size_t)n);
        if (n == 0)
                return -ECONNRESET;
        if (errno != EAGAIN)
                return -errno;
        return wire_client_wait_for(client, POLLIN);
}

/* The next message, consumed from the input. */
static int receive_reply(WireClient *client, WireMessageReply *ret)
{
        Buffer *input = &client->input;

        for (;;) {
                const char *nul = NULL;
                int r;

                if (input->size > client->scanned)
                        nul = memchr(input->data + client->scanned, 0,
                                     input->size - client->scanned);
                if (nul) {
                        size_t size = (size_t)(nul - input->data);

                        r = size > WIRE_CLIENT_MESSAGE_MAX
                                    ? -EMSGSIZE
                                    : wire_message_parse_reply(input->data, size, ret);
                        buffer_consume(input, size + 1);
                        client->scanned = 0;
                        return r;
                }
                client->scanned = input->size;
                if (input->size > WIRE_CLIENT_MESSAGE_MAX)
                        return -EMSGSIZE;
                r = receive_some(client);
                if (r < 0)
                        return r;
        }
}

int wire_client_next(WireClient *client, json_object **ret_reply, CvmError *error)
{
        _cleanup_(wire_message_reply_done) WireMessageReply reply = {};
        int r;

        if (!client->pending)
                return cvm_error_system(error, -ENOTCONN, "%s", system_operation);
        r = receive_reply(client, &reply);
        if (r == -EINTR)
                return r;
        if (r == 0 && reply.continues && !client->more)
                r = -EBADMSG;
        if (r < 0)
                return wire_client_fail(client, r, error);

        client->pending = reply.continues;
        if (reply.error)
                return cvm_error_set_wire(error, reply.error, reply.parameters);
        if (ret_reply)
                *ret_reply = reply.parameters ? json_object_get(reply.parameters)
                                              : json_object_new_object();
        return reply.continues;
}

bool wire_client_has_reply(const WireClient *client)
{
        return client->pending && client->input.size > 0 &&
               memchr(client->input.data, 0, client->input.size);
}

/* The only reply. */
static int wire_client_finish(WireClient *client, json_object **ret_reply, CvmError *error)
{
        int r;

        do
                r = wire_client_next(client, ret_reply, error);
        while (r == -EINTR);
        return r;
}

int wire_client_call(WireClient *client, const char *method, json_object *parameters,
                     const int *fds, size_t n_fds, json_object **ret_reply, CvmError *error)
{
        int r = wire_client_send_call(client, method, parameters, WIRE_CALL_PLAIN, fds, n_fds,
                                      error);

        return r < 0 ? r : wire_client_finish(client, ret_reply, error);
}

int wire_client_begin(WireClient *client, const char *method, json_object *parameters,
                      const int *fds, size_t n_fds, CvmError *error)
{
        return wire_client_send_call(client, method, parameters, WIRE_CALL_MORE, fds, n_fds, error);
}

int wire_client_upgrade(WireClient *client, const char *method, json_object *parameters,
                        int *ret_fd, char **ret_early, size_t *ret_n_early, CvmError *error)
{
        int r = wire_client_send_call(client, method, parameters, WIRE_CALL_UPGRADE, NULL, 0,
                                      error);

        if (r == 0)
                r = wire_client_finish(client, NULL, error);
        if (r < 0)
                return r;
        client->spent = true;
        *ret_fd = TAKE_FD(client->fd);
        *ret_n_early = client->input.size;
        *ret_early = buffer_take(&client->input);
        return 0;
}
