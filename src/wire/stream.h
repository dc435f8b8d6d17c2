/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A descriptor that is read as bytes come, a chunk at a time so that others get their turn.
 * Embedded in its owner, who must live until `closed`. */

#include <uv.h>

#include "base/handles.h"

#define STREAM_CHUNK 65536u

typedef struct Stream Stream;

typedef struct StreamCallbacks {
        /* May close the stream. */
        void (*data)(Stream *stream, const char *data, size_t size);
        /* The handle's memory is not needed any more; once for each stream that was opened. */
        void (*closed)(Stream *stream);
        /* After a read of at least `much` bytes the stream is not read for pause_msec milliseconds
         * (0: no pause). A peer that writes little never waits; a peer that floods takes little of
         * the loop's time, although a stream may consist of messages of a few bytes, which are slow
         * to read. */
        unsigned much, pause_msec;
} StreamCallbacks;

struct Stream {
        uv_poll_t poll;
        uv_timer_t pause;
        Handles handles;     /* both */
        int fd;              /* owned; -1: closed */
        unsigned asked_msec; /* of stream_ask_pause() */
        const StreamCallbacks *callbacks;
        void *userdata;
};

/* Takes fd, also on failure; makes it non-blocking. Returns 0 or -errno; then `closed`
 * never comes. */
int stream_open(uv_loop_t *loop, Stream *stream, int fd, const StreamCallbacks *callbacks,
                void *userdata);
static inline bool stream_is_open(const Stream *stream)
{
        return stream->fd >= 0;
}
/* Called in `data`: the stream is not read for `msec` milliseconds, or pause_msec, if that is
 * more. */
void stream_ask_pause(Stream *stream, unsigned msec);
/* Without waiting: how many bytes were taken, or -errno; -ENOTCONN: it is closed,
 * -EAGAIN: later. */
ssize_t stream_write(const Stream *stream, const void *data, size_t size);
/* Idempotent. At the stream's end it closes itself. */
void stream_close(Stream *stream);
/* Reads what is there without waiting, at most 64 chunks. */
void stream_drain(Stream *stream);
/* The same, then closes: for what a process said last. */
void stream_finish(Stream *stream);
