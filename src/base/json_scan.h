/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The grammar of JSON: RFC 8259, over the bytes of a text and before any tree is made of it.
 *
 * json_scan() refuses whatever json-c would repair, guess or cut short: numbers such as -01, 2. or
 * .5, other quotes, comments, NaN, surrogates without their other half, a byte order mark. It also
 * refuses what RFC 8259 leaves to the implementation and no caller could use: a NUL character in a
 * string, which would cut a C string short, integers beyond 64 bits, other numbers beyond a
 * double's range, numbers longer than JSON_NUMBER_MAX and nesting deeper than JSON_DEPTH_MAX.
 * Members that are given twice are not its business: json_parse() finds them.
 */

#include "base/macros.h"

#define JSON_DEPTH_MAX 32   /* arrays and objects inside each other */
#define JSON_NUMBER_MAX 256 /* characters */

typedef struct JsonScan {
        size_t values;      /* scalars, arrays and objects, if the text is accepted */
        size_t at;          /* offset of what is wrong with it, if it is refused */
        const char *reason; /* and what that is; static */
} JsonScan;

/* Returns 0 or -EBADMSG; *ret is always filled. */
int json_scan(const char *data, size_t size, JsonScan *ret);

/* Scans a text of the caller's own, and replaces in it what is JSON by the grammar but no caller
 * could use: a NUL character and half of a surrogate pair by U+FFFD, a number out of range by 0.
 * Returns 0 with the offset of the first of them, or SIZE_MAX if there is none; or -EBADMSG. */
int json_scan_mend(char *data, size_t size, size_t *ret_first);
