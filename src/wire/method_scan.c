/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/method_scan.h"

#include <string.h>

static bool method_scan_is_space(char c)
{
        return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void begin_text(WireMethodScan *scan, WireMethodState state)
{
        scan->state = state;
        scan->plain = true;
        scan->escaped = false;
        scan->length = 0;
}

/* A byte of a string that is kept; true at its closing quote. */
static bool keep(WireMethodScan *scan, char c)
{
        if (scan->escaped) {
                scan->escaped = false;
                return false;
        }
        if (c == '"') {
                scan->text[scan->length] = 0;
                return true;
        }
        if (c == '\\')
                scan->escaped = true;
        if (c == '\\' || scan->length == WIRE_METHOD_NAME_MAX)
                scan->plain = false;
        else
                scan->text[scan->length++] = c;
        return false;
}

/* A byte between a member's name and its value, or the first byte of the value. */
static void begin_value(WireMethodScan *scan, char c)
{
        bool is_method = scan->plain && strcmp(scan->text, "method") == 0;

        if (method_scan_is_space(c))
                return;
        if (c == '"' && is_method) {
                begin_text(scan, WIRE_METHOD_IN_METHOD);
                return;
        }
        scan->state = c == '"' ? WIRE_METHOD_IN_STRING : WIRE_METHOD_IN_VALUE;
        scan->escaped = false;
        scan->depth = c == '{' || c == '[';
}

/* A byte of another member's value outside of its strings, or what follows the value. */
static void skip_value(WireMethodScan *scan, char c)
{
        if (c == '"') {
                scan->state = WIRE_METHOD_IN_STRING;
                scan->escaped = false;
        } else if (c == '{' || c == '[') {
                scan->depth++;
        } else if ((c == '}' || c == ']') && scan->depth > 0) {
                scan->depth--;
        } else if (scan->depth == 0 && c == ',') {
                scan->state = WIRE_METHOD_BEFORE_NAME;
        } else if (c == '}' || c == ']') {
                scan->state = WIRE_METHOD_ABSENT;
        }
}

static void method_scan_skip_string(WireMethodScan *scan, char c)
{
        if (scan->escaped)
                scan->escaped = false;
        else if (c == '\\')
                scan->escaped = true;
        else if (c == '"')
                scan->state = WIRE_METHOD_IN_VALUE;
}

static void take_byte(WireMethodScan *scan, char c)
{
        switch (scan->state) {
        case WIRE_METHOD_BEFORE_OBJECT:
                if (!method_scan_is_space(c))
                        scan->state = c == '{' ? WIRE_METHOD_BEFORE_NAME : WIRE_METHOD_ABSENT;
                break;
        case WIRE_METHOD_BEFORE_NAME:
                if (c == '"')
                        begin_text(scan, WIRE_METHOD_IN_NAME);
                else if (!method_scan_is_space(c))
                        scan->state = WIRE_METHOD_ABSENT;
                break;
        case WIRE_METHOD_IN_NAME:
                if (keep(scan, c))
                        scan->state = WIRE_METHOD_BEFORE_COLON;
                break;
        case WIRE_METHOD_BEFORE_COLON:
                if (!method_scan_is_space(c))
                        scan->state = c == ':' ? WIRE_METHOD_BEFORE_VALUE : WIRE_METHOD_ABSENT;
                break;
        case WIRE_METHOD_BEFORE_VALUE:
                begin_value(scan, c);
                break;
        case WIRE_METHOD_IN_METHOD:
                if (keep(scan, c))
                        scan->state = scan->plain ? WIRE_METHOD_FOUND : WIRE_METHOD_ABSENT;
                break;
        case WIRE_METHOD_IN_VALUE:
                skip_value(scan, c);
                break;
        case WIRE_METHOD_IN_STRING:
                method_scan_skip_string(scan, c);
                break;
        case WIRE_METHOD_FOUND:
        case WIRE_METHOD_ABSENT:
                break;
        }
}

void wire_method_scan(WireMethodScan *scan, const char *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                if (scan->state == WIRE_METHOD_FOUND || scan->state == WIRE_METHOD_ABSENT)
                        return;
                take_byte(scan, data[i]);
        }
}

const char *wire_method_scan_result(const WireMethodScan *scan)
{
        return scan->state == WIRE_METHOD_FOUND ? scan->text : NULL;
}
