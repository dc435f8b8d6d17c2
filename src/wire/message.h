/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Varlink messages as bytes (https://varlink.org/Method-Call): one JSON object and one NUL byte.
 * Pure functions, without a socket.
 */

#include "base/json.h"
#include "base/text.h"

/* A call. `method` is borrowed from `root`; parameters is NULL where the call has none. */
typedef struct WireMessageCall {
        json_object *root; /* owned */
        const char *method;
        json_object *parameters; /* borrowed from root */
        bool oneway, more, upgrade;
        char *bad, *bad_reason; /* owned; the member that is wrong, and why, where one is */
        size_t values;          /* after -E2BIG: how many there are */
} WireMessageCall;

/* Takes a call apart; `size` does not count the NUL byte. Returns
 * - 0: it is a call.
 * - -EINVAL: it is a call with a method, but a member is unknown or of a wrong type, two of oneway,
 *   more and upgrade are true, or a string has a NUL (\u0000). For an error reply ret->bad names
 * the member, or the string by its path among the parameters ("spec.env.A"), and ret->bad_reason
 * says what is wrong with it; *ret must not be used for anything else.
 * - -EBADMSG: it is not a Varlink call: it is not a JSON object, has no method, or is a oneway call
 *   with what would be -EINVAL.
 * - -E2BIG: it has more JSON values than values_max; no tree was made of it.
 * - -ENOMEM. */
int wire_message_parse_call(const char *data, size_t size, size_t values_max, WireMessageCall *ret);
void wire_message_call_done(WireMessageCall *call);

/* A reply: an error if `error` is set, `continues` only without one. */
typedef struct WireMessageReply {
        json_object *root; /* owned */
        const char *error;
        json_object *parameters; /* borrowed from root; NULL: none */
        bool continues;
} WireMessageReply;

/* Returns 0, -EBADMSG for something that is not a Varlink reply, or -ENOMEM. */
int wire_message_parse_reply(const char *data, size_t size, WireMessageReply *ret);
void wire_message_reply_done(WireMessageReply *reply);

typedef enum WireCallKind {
        WIRE_CALL_PLAIN,
        WIRE_CALL_ONEWAY,
        WIRE_CALL_MORE,
        WIRE_CALL_UPGRADE,
} WireCallKind;

/* Append a whole message with its NUL byte; parameters are borrowed, NULL is {}. On -ENOMEM the
 * buffer may hold a part of it. */
int wire_message_append_call(Buffer *buffer, const char *method, json_object *parameters,
                             WireCallKind kind);
int wire_message_append_reply(Buffer *buffer, json_object *parameters, bool continues);
/* A reply with the field `data`, the bytes in base64, and what `more` adds (",\"a\":1"; NULL:
 * nothing): of several MiB it takes their size and that of the message, where a JSON object would
 * take several times as much. 0 or -ENOMEM. */
int wire_message_make_data_reply(const void *data, size_t size, const char *more, bool continues,
                                 Buffer *ret);
int wire_message_append_error(Buffer *buffer, const char *name, json_object *parameters);
