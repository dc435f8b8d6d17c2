/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One line from a QMP server, taken apart (QEMU's docs/interop/qmp-spec, sections "Server
 * Greeting", "Commands Responses" and "Asynchronous events"). A line is exactly one of the four
 * kinds; members that the specification does not name are ignored, as it asks of clients.
 */

#include <json-c/json.h>

#include "base/macros.h"

#define QMP_EVENT_NAME_MAX 64u /* characters; QEMU's longest has 30 */

typedef enum QmpMessageKind {
        QMP_MESSAGE_GREETING, /* {"QMP": {"version": {"qemu": {…}, …}, "capabilities": […]}} */
        QMP_MESSAGE_RETURN,   /* {"return": …, "id": …} */
        QMP_MESSAGE_ERROR,    /* {"error": {"class": …, "desc": …}, "id": …} */
        QMP_MESSAGE_EVENT,    /* {"event": …, "data": {…}, "timestamp": {…}} */
} QmpMessageKind;

typedef struct QmpMessage {
        QmpMessageKind kind;
        json_object *root; /* owned; the other pointers are borrowed from it */
        unsigned version[3];
        int64_t id;           /* RETURN, ERROR: the integer that the command had, > 0 */
        json_object *payload; /* RETURN: any value but null; EVENT: an object, never NULL */
        const char *error_class, *error_text;
        const char *event;
} QmpMessage;

/* Parses a line without its end. Returns NULL, or why it is not a message (static). */
const char *qmp_message_parse(const char *line, size_t size, QmpMessage *ret);
void qmp_message_done(QmpMessage *message);
