/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/async_call.h"

#include <string.h>

#include "base/handles.h"
#include "base/socket.h"
#include "wire/message.h"
#include "wire/stream.h"

struct WireAsyncCall {
        Stream stream;
        uv_timer_t timer;
        Handles handles;
        Buffer input;
        WireAsyncDone done; /* NULL once called or cancelled */
        void *userdata;
};

static void wire_async_call_free(void *owner)
{
        WireAsyncCall *call = owner;

        buffer_done(&call->input);
        free(call);
}

static void on_timer_closed(uv_handle_t *handle)
{
        handles_closed(&container_of((uv_timer_t *)handle, WireAsyncCall, timer)->handles);
}

void wire_async_call_cancel(WireAsyncCall *call)
{
        call->done = NULL;
        stream_close(&call->stream);
        if (!uv_is_closing((uv_handle_t *)&call->timer))
                uv_close((uv_handle_t *)&call->timer, on_timer_closed);
}

static void answer(WireAsyncCall *call, int r, const char *error, json_object *parameters)
{
        WireAsyncDone done = call->done;
        void *userdata = call->userdata;

        wire_async_call_cancel(call);
        if (done)
                done(r, error, parameters, userdata);
}

static void wire_async_call_take_reply(WireAsyncCall *call, size_t size)
{
        WireMessageReply reply = {};
        int r = wire_message_parse_reply(call->input.data, size, &reply);

        answer(call, r, reply.error, reply.parameters);
        wire_message_reply_done(&reply);
}

static void on_data(Stream *stream, const char *data, size_t size)
{
        WireAsyncCall *call = stream->userdata;
        const char *end;

        if (call->input.size + size > WIRE_ASYNC_REPLY_MAX) {
                answer(call, -EMSGSIZE, NULL, NULL);
                return;
        }
        if (buffer_append(&call->input, data, size) < 0) {
                answer(call, -ENOMEM, NULL, NULL);
                return;
        }
        end = memchr(call->input.data, 0, call->input.size);
        if (end)
                wire_async_call_take_reply(call, (size_t)(end - call->input.data));
}

static void on_stream_closed(Stream *stream)
{
        WireAsyncCall *call = stream->userdata;

        if (call->done)
                answer(call, -ECONNRESET, NULL, NULL);
        handles_closed(&call->handles);
}

static const StreamCallbacks callbacks = {on_data, on_stream_closed};

static void on_timeout(uv_timer_t *timer)
{
        answer(container_of(timer, WireAsyncCall, timer), -ETIMEDOUT, NULL, NULL);
}

/* Neither connect(2) to a Unix socket nor a message this small has to wait, unless the peer is not
 * taking any more: -EAGAIN. */
static int connect_and_send(const char *path, const Buffer *message)
{
        _cleanup_close_ int fd = -1;
        struct sockaddr_un address;
        int r = socket_address(path, &address);
        ssize_t n;

        if (r < 0)
                return r;
        fd = socket_connect(&address, SOCK_NONBLOCK);
        if (fd < 0)
                return fd;
        n = socket_send(fd, message->data, message->size, NULL, 0, 0);
        if (n < 0)
                return (int)n;
        return (size_t)n == message->size ? TAKE_FD(fd) : -EAGAIN;
}

int wire_async_call_start(uv_loop_t *loop, const char *path, const char *method,
                          json_object *parameters, unsigned msec, WireAsyncDone done,
                          void *userdata, WireAsyncCall **ret)
{
        _cleanup_(buffer_done) Buffer message = {};
        _cleanup_free_ WireAsyncCall *call = calloc(1, sizeof(*call));
        int r = wire_message_append_call(&message, method, parameters, WIRE_CALL_PLAIN);

        json_object_put(parameters);
        if (!call || r < 0)
                return -ENOMEM;
        r = connect_and_send(path, &message);
        if (r >= 0)
                r = stream_open(loop, &call->stream, r, &callbacks, call);
        if (r < 0)
                return r;
        uv_timer_init(loop, &call->timer);
        uv_timer_start(&call->timer, on_timeout, msec, 0);
        handles_init(&call->handles, 2, wire_async_call_free, call);
        call->done = done;
        call->userdata = userdata;
        *ret = TAKE_PTR(call);
        return 0;
}
