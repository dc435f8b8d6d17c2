/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/call_internal.h"

#include <assert.h>
#include <string.h>

#include "wire/server_internal.h"

#define OUTPUT_DRAINED (WIRE_OUTPUT_MAX / 2)

int wire_call_new(WireConnection *connection, const WireMessageCall *message, WireFd *fds,
                  size_t n_fds, WireCall **ret)
{
        WireCall *call = calloc(1, sizeof(*call));

        if (!call) {
                wire_fds_close(connection->peer.uid, fds, n_fds);
                return -ENOMEM;
        }
        *call = (WireCall){
                .n_ref = 1,
                .connection = wire_connection_ref(connection),
                .begun = uv_hrtime(),
                .oneway = message->oneway,
                .more = message->more,
                .upgrade = message->upgrade,
                .fds = fds,
                .n_fds = n_fds,
        };
        connection->call = call;
        *ret = call;
        return 0;
}

WireCall *wire_call_ref(WireCall *call)
{
        call->n_ref++;
        return call;
}

WireCall *wire_call_unref(WireCall *call)
{
        if (!call || --call->n_ref > 0)
                return NULL;

        assert(call->ended || call->gone);
        wire_fds_close(call->connection->peer.uid, call->fds, call->n_fds);
        wire_prepared_done(&call->prepared);
        free(call->cvm_name);
        free(call->cvm_id);
        wire_connection_unref(call->connection);
        free(call);
        return NULL;
}

const WirePeer *wire_call_peer(const WireCall *call)
{
        return &call->connection->peer;
}

size_t wire_call_connections(const WireCall *call)
{
        const WireServer *server = call->connection->server;

        return server ? server->n_seats : 0;
}

bool wire_call_wants_more(const WireCall *call)
{
        return call->more;
}

int wire_call_take_fd(WireCall *call, size_t index)
{
        return index < call->n_fds ? TAKE_FD(call->fds[index].fd) : -1;
}

const Descriptor *wire_call_judgement(const WireCall *call, size_t index)
{
        return index < call->n_fds ? &call->fds[index].judged : NULL;
}

static bool is_open(const WireCall *call)
{
        return !call->ended && !call->gone;
}

void *wire_call_take_prepared(WireCall *call)
{
        return TAKE_PTR(call->prepared.data);
}

/* A message that could not be appended whole would break the stream. */
static void appended(WireConnection *connection, int r)
{
        if (r < 0)
                connection->broken = true;
}

static void wire_call_tell_observer(const WireCall *call, const CvmError *error, bool lost)
{
        const WireObserver *observer = &call->connection->server->observer;

        if (observer->ended)
                observer->ended(call->method, error, lost, uv_hrtime() - call->begun,
                                observer->userdata);
}

/* error: NULL: none. */
static void wire_call_end(WireCall *call, const CvmError *error)
{
        WireConnection *connection = call->connection;

        assert(!call->ended);
        call->ended = true;
        if (call->gone)
                return;
        wire_call_tell_observer(call, error, false);
        connection->call = NULL;
        wire_connection_changed(connection);
}

/* Whether there is anybody to send it to. A sender that does not heed wire_call_is_congested() may
 * not fill the memory either. */
static bool may_continue(WireCall *call)
{
        WireConnection *connection = call->connection;

        assert(!call->ended && call->more);
        if (call->gone || connection->broken)
                return false;
        if (wire_connection_unsent(connection) <= WIRE_OUTPUT_MAX + WIRE_MESSAGE_MAX)
                return true;
        connection->broken = true;
        wire_connection_changed(connection);
        return false;
}

void wire_call_continue(WireCall *call, json_object *parameters)
{
        _cleanup_json_ json_object *held = parameters;
        WireConnection *connection = call->connection;

        if (!may_continue(call))
                return;
        appended(connection, wire_message_append_reply(&connection->output, parameters, true));
        wire_connection_changed(connection);
}

/* Takes the message, which becomes the output if there is no other. */
static void append_prepared(WireConnection *connection, Buffer *message)
{
        _cleanup_(buffer_done) Buffer held = TAKE_STRUCT(*message);
        Buffer *output = &connection->output;

        if (output->size > 0) {
                appended(connection, buffer_append(output, held.data, held.size));
        } else {
                buffer_done(output);
                *output = TAKE_STRUCT(held);
        }
}

void wire_call_continue_prepared(WireCall *call, Buffer *reply)
{
        if (may_continue(call)) {
                append_prepared(call->connection, reply);
                wire_connection_changed(call->connection);
        }
        buffer_done(reply);
}

void wire_call_reply(WireCall *call, json_object *parameters)
{
        _cleanup_json_ json_object *held = parameters;

        if (is_open(call) && !call->oneway)
                appended(call->connection,
                         wire_message_append_reply(&call->connection->output, parameters, false));
        json_object_put(TAKE_PTR(held)); /* before a large reply's memory is given back */
        wire_call_end(call, NULL);
}

int wire_call_prepare_reply(json_object *parameters, bool continues, Buffer *ret)
{
        _cleanup_json_ json_object *held = parameters;
        _cleanup_(buffer_done) Buffer reply = {};
        int r = wire_message_append_reply(&reply, parameters, continues);

        if (r < 0)
                return r;
        *ret = TAKE_STRUCT(reply);
        return 0;
}

int wire_call_prepare_data_reply(const void *data, size_t size, const char *more, bool continues,
                                 Buffer *ret)
{
        return wire_message_make_data_reply(data, size, more, continues, ret);
}

void wire_call_reply_prepared(WireCall *call, Buffer *reply)
{
        if (is_open(call) && !call->oneway)
                append_prepared(call->connection, reply);
        buffer_done(reply);
        wire_call_end(call, NULL);
}

static void set_text(char **text, const char *value)
{
        free(*text);
        *text = value ? strdup(value) : NULL;
}

void wire_call_concerns(WireCall *call, const char *name, const char *id)
{
        set_text(&call->cvm_name, name);
        set_text(&call->cvm_id, id);
}

void wire_call_error(WireCall *call, CvmError *error)
{
        _cleanup_(cvm_error_done) CvmError held = {};

        cvm_error_move(&held, error);
        cvm_error_add_cvm(&held, call->cvm_name, call->cvm_id);
        if (is_open(call) && !call->oneway)
                appended(call->connection,
                         held.name ? wire_message_append_error(&call->connection->output, held.name,
                                                               held.fields)
                                   : -ENOMEM);
        wire_call_end(call, &held);
}

void wire_call_upgrade(WireCall *call, WireUpgraded taken, void *userdata)
{
        WireConnection *connection = call->connection;

        assert(call->upgrade);
        if (call->gone) {
                wire_call_end(call, NULL);
                taken(-1, NULL, "", 0, userdata);
                return;
        }
        appended(connection, wire_message_append_reply(&connection->output, NULL, false));
        connection->taken = taken;
        connection->taken_userdata = userdata;
        wire_call_end(call, NULL);
}

void wire_call_on_gone(WireCall *call, WireGone gone, void *userdata)
{
        if (!is_open(call))
                return;
        call->on_gone = gone;
        call->on_gone_userdata = userdata;
}

bool wire_call_is_congested(const WireCall *call)
{
        return is_open(call) && wire_connection_unsent(call->connection) > WIRE_OUTPUT_MAX;
}

void wire_call_on_drained(WireCall *call, WireGone drained, void *userdata)
{
        if (!is_open(call))
                return;
        call->on_drained = drained;
        call->on_drained_userdata = userdata;
        wire_connection_changed(call->connection);
}

void wire_call_lose(WireCall *call)
{
        WireGone gone = TAKE_PTR(call->on_gone);

        assert(is_open(call));
        wire_call_tell_observer(call, NULL, true);
        call->gone = true;
        call->on_drained = NULL;
        if (!gone)
                return;
        wire_call_ref(call);
        gone(call, call->on_gone_userdata);
        wire_call_unref(call);
}

void wire_call_drain(WireCall *call)
{
        WireGone drained = call->on_drained;

        if (!drained || wire_connection_unsent(call->connection) > OUTPUT_DRAINED)
                return;
        call->on_drained = NULL;
        wire_call_ref(call);
        drained(call, call->on_drained_userdata);
        wire_call_unref(call);
}
