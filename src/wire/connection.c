/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/connection.h"

#include "base/account.h"
#include "base/foreign.h"
#include "wire/call_internal.h"
#include "wire/server_internal.h"

#define INPUT_LARGE 131072u /* likewise of a message that has come in part */

/* What is refused here never becomes a call. */
static void connection_tell_observer(const WireConnection *connection, const CvmError *error)
{
        const WireObserver *observer = &connection->server->observer;

        if (observer->refused)
                observer->refused(error, observer->userdata);
}

static int refuse_member(WireConnection *connection, const char *member, const char *reason)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_invalid_parameter(&error, member, "%s", reason);
        return wire_message_append_error(&connection->output, error.name, error.fields);
}

/* The last message to the client: it is not known whether it expects a reply. Returns -E2BIG. */
static int refuse_amount(WireConnection *connection, const char *what, size_t limit, size_t wanted)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_quota(&error, what, (int64_t)limit, 0, (int64_t)wanted);
        connection_tell_observer(connection, &error);
        if (wire_message_append_error(&connection->output, error.name, error.fields) == 0)
                wire_connection_flush_last(connection);
        return -E2BIG;
}

/* Likewise, of a user of whom too many descriptors are still to be closed. */
static void connection_refuse_fds(WireConnection *connection)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        cvm_error_quota(&error, "descriptors", FOREIGN_WAITING_PER_UID, FOREIGN_WAITING_PER_UID, 1);
        connection_tell_observer(connection, &error);
        if (wire_message_append_error(&connection->output, error.name, error.fields) == 0)
                wire_connection_flush_last(connection);
}

/* Whether the first `size` bytes of a message are no more than its method accepts, as far as that
 * is known. Returns 0, or -E2BIG after an error reply to the sender. */
static int wire_connection_check_size(WireConnection *connection, const char *data, size_t size)
{
        size_t max;

        if (size <= WIRE_MESSAGE_SMALL_MAX)
                return 0;
        wire_method_scan(&connection->scan, data + connection->scanned, size - connection->scanned);
        connection->scanned = size;
        max = connection->server->ops->message_max(connection->server,
                                                   wire_method_scan_result(&connection->scan));
        return size > max ? refuse_amount(connection, "message (bytes)", max, size) : 0;
}

/* Has what wire_message_parse_call() made of a message of `size` bytes handled. Takes fds and
 * prepared. What is not a call breaks the connection. */
static void dispatch(WireConnection *connection, int result, const WireMessageCall *message,
                     size_t size, WirePrepared *prepared, WireFd *fds, size_t n_fds)
{
        _cleanup_(wire_call_unrefp) WireCall *call = NULL;
        size_t max = result == 0 ? connection->server->ops->message_max(connection->server,
                                                                        message->method)
                                 : 0;
        int r = result;

        if (result == 0 && size > max)
                r = refuse_amount(connection, "message (bytes)", max, size);
        else if (result == -E2BIG)
                r = refuse_amount(connection, "json-values", WIRE_VALUES_MAX, message->values);
        else if (result == -EINVAL)
                r = refuse_member(connection, message->bad, message->bad_reason);
        else if (result == 0)
                r = wire_call_new(connection, message, TAKE_PTR(fds), n_fds, &call);
        if (fds)
                wire_fds_close(connection->peer.uid, fds, n_fds);
        if (r < 0)
                connection->broken = true;
        if (call) {
                call->prepared = *prepared;
                *prepared = (WirePrepared){};
                connection->server->ops->dispatch(connection->server, call, message->method,
                                                  message->parameters);
        }
        wire_prepared_done(prepared);
}

static void on_parsed(WireParse *parse, void *userdata)
{
        _cleanup_(wire_connection_unrefp) WireConnection *connection = userdata;
        WireServer *server = container_of(parse->parser, WireServer, parser);

        if (!parse->abandoned) {
                connection->parse = NULL;
                connection->processing = true;
                dispatch(connection, parse->result, &parse->call, parse->size, &parse->prepared,
                         TAKE_PTR(parse->fds), parse->n_fds);
                parse->n_fds = 0;
                connection->processing = false;
                if (!connection->closed)
                        server->ops->defer(server, connection);
        }
        wire_parse_free(parse);
        server->ops->trim(server);
        handles_closed(&server->handles);
}

/* Takes the message from `at` to `*offset` out of the inbox, and fds. */
static int parse_later(WireConnection *connection, size_t at, size_t *offset, WireFd *fds,
                       size_t n_fds)
{
        WireServer *server = connection->server;
        Buffer message = {};
        int r = wire_inbox_take_message(&connection->inbox, at, offset, &message);

        if (r < 0) {
                wire_fds_close(connection->peer.uid, fds, n_fds);
                return r;
        }
        connection->parse = wire_parse_new(connection->peer.uid, &message, fds, n_fds);
        if (!connection->parse)
                return -ENOMEM;
        handles_add(&server->handles);
        wire_parse_begin(&server->parser, connection->parse, on_parsed,
                         wire_connection_ref(connection));
        return 0;
}

/* Parses the message from `at` to `*offset` and dispatches it, a large one later. Takes fds. */
static void take_up(WireConnection *connection, size_t at, size_t *offset, WireFd *fds,
                    size_t n_fds)
{
        const char *data = wire_inbox_bytes(&connection->inbox) + at;
        size_t size = *offset - at - 1;
        int r;

        if (size <= WIRE_MESSAGE_SMALL_MAX) {
                _cleanup_(wire_message_call_done) WireMessageCall message = {};
                const WireServer *server = connection->server;
                WirePrepared prepared = {};

                r = wire_message_parse_call(data, size, WIRE_VALUES_MAX, &message);
                if (r == 0)
                        server->ops->prepare(server, &message, &prepared);
                dispatch(connection, r, &message, size, &prepared, fds, n_fds);
                return;
        }
        r = wire_connection_check_size(connection, data, size);
        if (r < 0)
                wire_fds_close(connection->peer.uid, fds, n_fds);
        else
                r = parse_later(connection, at, offset, fds, n_fds);
        if (r < 0)
                connection->broken = true;
}

/* Takes up calls until one stays in progress, none is left, the client does not read its replies,
 * or others' calls or replies come first. */
static void wire_connection_process(WireConnection *connection)
{
        WireInbox *inbox = &connection->inbox;
        size_t offset = 0;

        connection->processing = true;
        while (!connection->closed && !connection->broken && !wire_connection_is_busy(connection) &&
               !connection->taken) {
                size_t at = offset, size, n_fds, before, made;
                const char *data;
                WireFd *fds;

                if (!wire_holder_may_call(connection->holder, connection->server->n_turns))
                        break;
                if (wire_connection_unsent(connection) >= WIRE_OUTPUT_BATCH) {
                        wire_connection_flush(connection);
                        if (wire_connection_is_blocked(connection) ||
                            wire_connection_is_late(connection))
                                break;
                }
                if (!wire_inbox_next(inbox, &offset, &data, &size)) {
                        connection->starved = true;
                        break;
                }
                fds = wire_inbox_take_fds(inbox, at, &n_fds);
                before = wire_connection_unsent(connection);
                take_up(connection, at, &offset, fds, n_fds);
                if (connection->closed)
                        break;
                made = wire_connection_unsent(connection);
                wire_holder_add_made(connection->holder, made > before ? made - before : 0);
                connection->scan = (WireMethodScan){};
                connection->scanned = 0;
        }
        connection->processing = false;

        if (wire_inbox_settle(inbox, offset) < 0)
                connection->broken = true;
        if (!connection->closed && !connection->broken && connection->starved &&
            wire_connection_check_size(connection, wire_inbox_bytes(inbox),
                                       wire_inbox_size(inbox)) < 0)
                connection->broken = true;
}

static void on_closed(uv_handle_t *handle)
{
        WireConnection *connection = handle->data;
        WireServer *server = TAKE_PTR(connection->server);
        bool large = wire_connection_buffered(connection) > INPUT_LARGE;

        wire_inbox_done(&connection->inbox);
        buffer_done(&connection->output);
        if (large)
                server->ops->trim(server);
        handles_closed(&server->handles);
        wire_connection_unref(connection);
}

/* Takes the connection out of the server; its descriptor stays. */
static void detach(WireConnection *connection)
{
        WireServer *server = connection->server;

        connection->closed = true;
        LIST_REMOVE(connection, all);
        server->n_connections--;
        if (connection->deferred)
                TAILQ_REMOVE(&server->work, connection, work);
        if (connection->passed_over)
                TAILQ_REMOVE(&server->passed_over, connection, late);
        server->ops->uncount(server, connection);
        wire_holder_leave(TAKE_PTR(connection->holder));
        uv_close((uv_handle_t *)&connection->poll, on_closed);
}

void wire_connection_close(WireConnection *connection)
{
        _cleanup_(wire_connection_unrefp) WireConnection *pin = NULL;
        WireUpgraded taken = TAKE_PTR(connection->taken);
        WireCall *call = TAKE_PTR(connection->call);

        if (connection->closed)
                return;
        pin = wire_connection_ref(connection);
        if (connection->parse)
                wire_parse_abandon(TAKE_PTR(connection->parse));
        detach(connection);
        connection->seat = wire_seat_free(connection->seat);
        foreign_close_socket(TAKE_FD(connection->fd));
        if (call)
                wire_call_lose(call);
        if (taken)
                taken(-1, NULL, "", 0, connection->taken_userdata);
}

static void hand_over(WireConnection *connection)
{
        WireUpgraded taken = TAKE_PTR(connection->taken);

        detach(connection);
        taken(TAKE_FD(connection->fd), TAKE_PTR(connection->seat),
              wire_inbox_bytes(&connection->inbox), wire_inbox_size(&connection->inbox),
              connection->taken_userdata);
}

void wire_connection_work(WireConnection *connection)
{
        _cleanup_(wire_connection_unrefp) WireConnection *pin = wire_connection_ref(connection);

        wire_connection_process(connection);
        if (connection->closed)
                return;
        if (!connection->broken)
                wire_connection_flush(connection);
        if (connection->call && !connection->broken && !wire_connection_is_late(connection))
                wire_call_drain(connection->call);
        if (connection->closed)
                return;

        if (connection->broken) {
                wire_connection_close(connection);
        } else if (connection->taken && !wire_connection_unsent(connection)) {
                hand_over(connection);
        } else if (connection->end_of_input && connection->starved &&
                   !wire_connection_is_busy(connection) && !wire_connection_unsent(connection)) {
                wire_connection_close(connection);
        } else {
                /* stopped by unsent replies that are sent now, or that others' are sent before */
                if (!connection->starved && !wire_connection_is_busy(connection) &&
                    !connection->taken && !connection->passed_over &&
                    !wire_connection_is_blocked(connection))
                        connection->server->ops->defer(connection->server, connection);
                wire_connection_update_poll(connection);
        }
}

static void receive(WireConnection *connection)
{
        WireServer *server = connection->server;
        bool had_fds = wire_inbox_has_fds(&connection->inbox);
        ssize_t n;

        n = wire_inbox_read(&connection->inbox, connection->fd, server->scratch, WIRE_FDS_MAX);
        if (n == -EAGAIN || n == -EINTR)
                return;
        if (n == 0) {
                /* a peer that is gone altogether is seen by UV_PRIORITIZED next */
                connection->end_of_input = true;
                return;
        }
        if (n == -EUSERS)
                connection_refuse_fds(connection);
        if (n < 0) {
                connection->broken = true;
                return;
        }
        connection->starved = false;
        if (wire_inbox_has_fds(&connection->inbox) && !had_fds) {
                /* each was judged */
                wire_holder_add_made(connection->holder, connection->inbox.n_fds * WIRE_CALL_BYTES);
                connection->broken = server->ops->has_too_many_fds(server, connection);
        }
}

static void on_poll(uv_poll_t *handle, int status, int events)
{
        WireConnection *connection = handle->data;

        /* UV_PRIORITIZED: the peer is gone while nothing is read from it, or it sent out-of-band
         * data, which Varlink has not */
        if (status < 0 || (events & UV_PRIORITIZED))
                connection->broken = true;
        else if ((events & UV_READABLE) && wire_connection_may_read(connection) &&
                 wire_holder_may_call(connection->holder, connection->server->n_turns))
                receive(connection); /* else in a later turn: it stays readable */
        wire_connection_work(connection);
}

int wire_connection_new(WireServer *server, int fd)
{
        WireConnection *connection = calloc(1, sizeof(*connection));
        int r;

        if (!connection) {
                foreign_close_socket(fd);
                return -ENOMEM;
        }
        *connection = (WireConnection){.n_ref = 1, .server = server, .fd = fd, .on_poll = on_poll};

        r = wire_peer_init(&connection->peer, fd);
        connection->account = account_of(connection->peer.uid);
        if (r == 0 && !(connection->seat = wire_seat_new(server, connection->account)))
                r = -ENOMEM;
        if (r == 0 && !(connection->holder = wire_holder_join(server, connection->account)))
                r = -ENOMEM;
        if (r == 0)
                r = uv_poll_init(server->loop, &connection->poll, fd); /* makes it non-blocking */
        if (r < 0) {
                wire_holder_leave(connection->holder);
                wire_connection_unref(connection);
                return r;
        }
        connection->inbox.uid = connection->peer.uid;
        connection->inbox.mounts = server->mounts;
        connection->poll.data = connection;
        connection->starved = true;
        handles_add(&server->handles);
        server->n_connections++;
        LIST_INSERT_HEAD(&server->connections, connection, all);
        wire_connection_update_poll(connection);
        return 0;
}
