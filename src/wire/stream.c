/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/param.h>
#include <sys/socket.h>

#include "base/foreign.h"

static void stream_closed(void *owner)
{
        Stream *stream = owner;

        stream->callbacks->closed(stream);
}

static void on_closed(uv_handle_t *handle)
{
        Stream *stream = handle->data;

        handles_closed(&stream->handles);
}

void stream_close(Stream *stream)
{
        if (stream->fd < 0)
                return;
        uv_close((uv_handle_t *)&stream->poll, on_closed);
        uv_close((uv_handle_t *)&stream->pause, on_closed);
        foreign_close_shared(TAKE_FD(stream->fd));
}

/* Returns the number of bytes, 0 for none at this time, or -EPIPE when the stream has ended. */
static ssize_t stream_read_chunk(Stream *stream)
{
        _uninitialized_ char chunk[STREAM_CHUNK];
        ssize_t n = foreign_recv(stream->fd, chunk, sizeof(chunk));

        if (n > 0) {
                stream->callbacks->data(stream, chunk, (size_t)n);
                return n;
        }
        return n == -EAGAIN || n == -EINTR ? 0 : -EPIPE;
}

static void on_readable(uv_poll_t *poll, int status, int events);

/* Both fail for a closing handle only. */
static void stream_go_on(Stream *stream)
{
        uv_poll_start(&stream->poll, UV_READABLE, on_readable);
}

static void on_pause_end(uv_timer_t *timer)
{
        stream_go_on(timer->data);
}

static void stream_pause(Stream *stream, unsigned msec)
{
        uv_poll_stop(&stream->poll);
        uv_timer_start(&stream->pause, on_pause_end, msec, 0);
}

void stream_ask_pause(Stream *stream, unsigned msec)
{
        stream->asked_msec = msec;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        Stream *stream = poll->data;
        unsigned pause = 0;
        ssize_t n;

        stream->asked_msec = 0;
        n = status < 0 ? -EPIPE : stream_read_chunk(stream);
        if (n >= (ssize_t)stream->callbacks->much)
                pause = stream->callbacks->pause_msec;
        pause = MAX(pause, stream->asked_msec);
        if (n < 0)
                stream_close(stream);
        else if (stream_is_open(stream) && pause)
                stream_pause(stream, pause);
}

int stream_open(uv_loop_t *loop, Stream *stream, int fd, const StreamCallbacks *callbacks,
                void *userdata)
{
        int r;

        stream->fd = -1;
        r = uv_poll_init(loop, &stream->poll, fd); /* sets O_NONBLOCK */
        if (r < 0) {
                foreign_close_shared(fd);
                return r;
        }
        stream->callbacks = callbacks;
        stream->userdata = userdata;
        stream->fd = fd;
        uv_timer_init(loop, &stream->pause);
        stream->poll.data = stream->pause.data = stream;
        handles_init(&stream->handles, 2, stream_closed, stream);
        stream_go_on(stream);
        return 0;
}

void stream_drain(Stream *stream)
{
        for (unsigned i = 0; i < 64 && stream->fd >= 0; i++) {
                struct pollfd ready = {.fd = stream->fd, .events = POLLIN};

                if (poll(&ready, 1, 0) <= 0 || stream_read_chunk(stream) <= 0)
                        break;
        }
}

void stream_finish(Stream *stream)
{
        stream_drain(stream);
        stream_close(stream);
}

ssize_t stream_write(const Stream *stream, const void *data, size_t size)
{
        ssize_t n;

        if (!stream_is_open(stream))
                return -ENOTCONN;
        n = send(stream->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
        return n < 0 ? -errno : n;
}
