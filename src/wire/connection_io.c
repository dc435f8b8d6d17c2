/* SPDX-License-Identifier: Apache-2.0 */
/* The side of a connection that its call needs, too: memory, bytes to be sent, what is polled. */
#include "wire/connection.h"

#include <sys/param.h>
#include <sys/socket.h>

#include "base/foreign.h"
#include "wire/call_internal.h"
#include "wire/server_internal.h"

#define OUTPUT_KEPT 16384u /* bytes of an empty output buffer that are worth keeping */
/* A reply of this size was made of objects of ten times its bytes, which lie between others: the
 * allocator does not return their pages by itself. */
#define OUTPUT_LARGE 131072u
#define FLUSH_MAX 65536u /* bytes of a large output that are sent in its turn */

WireConnection *wire_connection_ref(WireConnection *connection)
{
        connection->n_ref++;
        return connection;
}

WireConnection *wire_connection_unref(WireConnection *connection)
{
        if (!connection || --connection->n_ref > 0)
                return NULL;
        wire_inbox_done(&connection->inbox);
        buffer_done(&connection->output);
        wire_peer_done(&connection->peer);
        wire_seat_free(connection->seat);
        foreign_close_socket(connection->fd);
        free(connection);
        return NULL;
}

size_t wire_connection_unsent(const WireConnection *connection)
{
        return connection->output.size - connection->sent;
}

size_t wire_connection_buffered(const WireConnection *connection)
{
        return wire_inbox_allocated(&connection->inbox) + connection->output.allocated +
               (connection->parse ? connection->parse->size : 0);
}

bool wire_connection_is_busy(const WireConnection *connection)
{
        return connection->parse || connection->call;
}

bool wire_connection_is_blocked(const WireConnection *connection)
{
        return wire_connection_unsent(connection) > WIRE_OUTPUT_BLOCKED;
}

bool wire_connection_is_late(const WireConnection *connection)
{
        return connection->server->sendable == 0 &&
               wire_connection_unsent(connection) >= WIRE_OUTPUT_BATCH;
}

bool wire_connection_may_read(const WireConnection *connection)
{
        const WireCall *call = connection->call;

        if (connection->end_of_input || connection->taken)
                return false;
        if (call && call->upgrade)
                return false;
        /* the inbox holds descriptors of one message only: that one goes first */
        if (wire_inbox_has_fds(&connection->inbox) && (call || !connection->starved))
                return false;
        return (!call && !wire_connection_is_blocked(connection)) ||
               wire_inbox_size(&connection->inbox) < WIRE_INPUT_WAITING_MAX;
}

void wire_connection_update_poll(WireConnection *connection)
{
        int events = UV_PRIORITIZED;

        if (connection->parse) {
                uv_poll_stop(&connection->poll);
                connection->events = 0;
                return;
        }
        if (wire_connection_may_read(connection))
                events |= UV_READABLE;
        if (wire_connection_unsent(connection) && !connection->passed_over)
                events |= UV_WRITABLE;
        if (events == connection->events)
                return;
        connection->events = events;
        if (uv_poll_start(&connection->poll, events, connection->on_poll) < 0) {
                connection->broken = true;
                connection->server->ops->defer(connection->server, connection);
        }
}

/* How much may be sent now: a small output whole, of a large one a part in its turn, or many
 * clients that read as fast as they are sent to would have the loop for themselves. */
static size_t sendable(const WireConnection *connection)
{
        size_t unsent = wire_connection_unsent(connection);

        return unsent <= OUTPUT_KEPT ? unsent
                                     : MIN(MIN(unsent, FLUSH_MAX), connection->server->sendable);
}

/* Sends up to `size` bytes of the output. */
static void send_some(WireConnection *connection, size_t size)
{
        const Buffer *output = &connection->output;
        size_t *left = &connection->server->sendable;
        size_t end = connection->sent + size;

        while (connection->sent < end) {
                ssize_t n = send(connection->fd, output->data + connection->sent,
                                 end - connection->sent, MSG_NOSIGNAL | MSG_DONTWAIT);

                if (n < 0) {
                        if (errno == EINTR)
                                continue;
                        if (errno != EAGAIN)
                                connection->broken = true;
                        break;
                }
                connection->sent += (size_t)n;
                *left -= MIN(*left, (size_t)n);
        }
}

void wire_connection_flush_last(WireConnection *connection)
{
        send_some(connection, wire_connection_unsent(connection));
}

void wire_connection_flush(WireConnection *connection)
{
        Buffer *output = &connection->output;
        size_t size = sendable(connection);

        if (size > 0)
                send_some(connection, size);
        else if (wire_connection_unsent(connection))
                connection->server->ops->pass_over(connection->server, connection);

        if (!wire_connection_unsent(connection)) {
                bool large = output->allocated > OUTPUT_LARGE;

                output->size = connection->sent = 0;
                if (output->allocated > OUTPUT_KEPT)
                        buffer_done(output);
                if (large)
                        connection->server->ops->trim(connection->server);
        } else if (connection->sent > output->size / 2) {
                buffer_consume(output, connection->sent);
                connection->sent = 0;
        }
        connection->server->ops->bound(connection->server, connection);
}

void wire_connection_changed(WireConnection *connection)
{
        const WireCall *call = connection->call;

        if (connection->closed || connection->processing)
                return;
        if (!connection->broken)
                wire_connection_flush(connection);
        if (connection->broken || (call && call->on_drained) ||
            (!wire_connection_is_busy(connection) &&
             (!connection->starved || connection->end_of_input || connection->taken)))
                connection->server->ops->defer(connection->server, connection);
        else
                wire_connection_update_poll(connection);
}
