/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/stream.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/socket.h>

#include "base/foreign.h"

static void on_closed(uv_handle_t *handle)
{
        Stream *stream = container_of((uv_poll_t *)handle, Stream, poll);

        stream->callbacks->closed(stream);
}

void stream_close(Stream *stream)
{
        if (stream->fd < 0)
                return;
        uv_close((uv_handle_t *)&stream->poll, on_closed);
        foreign_close_shared(TAKE_FD(stream->fd));
}

/* Returns false when the stream has ended. */
static bool stream_read_chunk(Stream *stream)
{
        char chunk[STREAM_CHUNK];
        ssize_t n = foreign_recv(stream->fd, chunk, sizeof(chunk));

        if (n > 0) {
                stream->callbacks->data(stream, chunk, (size_t)n);
                return true;
        }
        return n == -EAGAIN || n == -EINTR;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
        Stream *stream = container_of(poll, Stream, poll);

        if (status < 0 || !stream_read_chunk(stream))
                stream_close(stream);
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
        uv_poll_start(&stream->poll, UV_READABLE,
                      on_readable); /* fails for a closing handle only */
        return 0;
}

void stream_drain(Stream *stream)
{
        for (unsigned i = 0; i < 64 && stream->fd >= 0; i++) {
                struct pollfd ready = {.fd = stream->fd, .events = POLLIN};

                if (poll(&ready, 1, 0) <= 0 || !stream_read_chunk(stream))
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
