/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Finds the method in the bytes of a call as they come, before the message is whole and before any
 * tree is made of it, so that a call larger than its method may be is refused early.
 *
 * The scan looks at each byte once and keeps nothing but its state and the method's name. It does
 * not check the grammar, which is json_scan()'s: bytes that are not a call may be reported either
 * way, and the parser refuses them later. A "method" that is spelt with escapes, or longer than
 * WIRE_METHOD_NAME_MAX, is not found here: its bound is applied once the message is parsed.
 */

#include "base/macros.h"

#define WIRE_METHOD_NAME_MAX 127 /* bytes; the longest name of this project has 35 */

typedef enum WireMethodState {
        WIRE_METHOD_BEFORE_OBJECT,
        WIRE_METHOD_BEFORE_NAME, /* of a member of the call */
        WIRE_METHOD_IN_NAME,
        WIRE_METHOD_BEFORE_COLON,
        WIRE_METHOD_BEFORE_VALUE,
        WIRE_METHOD_IN_METHOD, /* the value that is looked for */
        WIRE_METHOD_IN_VALUE,  /* of another member, outside of its strings */
        WIRE_METHOD_IN_STRING, /* within such a value */
        WIRE_METHOD_FOUND,
        WIRE_METHOD_ABSENT, /* it is not a call, or a call without a method */
} WireMethodState;

typedef struct WireMethodScan {
        WireMethodState state;
        unsigned depth; /* arrays and objects that are open in the value */
        bool escaped;   /* the next character belongs to an escape */
        bool plain;     /* the string in `text` is whole and has no escape so far */
        size_t length;
        char text[WIRE_METHOD_NAME_MAX + 1]; /* a member's name, then the method */
} WireMethodScan;

/* Goes on with the next bytes of the message. A zeroed scan begins a message. */
void wire_method_scan(WireMethodScan *scan, const char *data, size_t size);
/* The method, borrowed from the scan, or NULL while it has not been found. */
const char *wire_method_scan_result(const WireMethodScan *scan);
