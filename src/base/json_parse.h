/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From bytes of others to a tree. json_parse() is the only way to one: it accepts what json_scan.h
 * accepts, without members that are given twice. A text that it refuses is never repaired.
 */

#include <json-c/json.h>

#include "base/json_scan.h"
#include "base/macros.h"

/* Where and why a text is not valid JSON: lines and columns (in characters) count from 1. */
typedef struct JsonParseError {
        unsigned line, column;
        char reason[96];
        size_t values; /* the number of values if there are too many; else 0 */
} JsonParseError;

/* Values (scalars, arrays, objects) that json_parse() takes. json-c needs up to 800 bytes for one
 * of three, such as "{},": without a bound on their number a text takes 270 times its size. */
#define JSON_VALUES_MAX 131072u

/* Parses `size` bytes. Returns 0, -EBADMSG (ret_where filled, may be NULL) or -ENOMEM. */
int json_parse(const char *data, size_t size, json_object **ret, JsonParseError *ret_where);
/* The same with another bound on the values; -E2BIG (ret_where filled) if there are more, which is
 * found before any tree is made. */
int json_parse_bounded(const char *data, size_t size, size_t values_max, json_object **ret,
                       JsonParseError *ret_where);

/* For a text that json_parse_bounded() refused: whether values that JSON has and no caller could
 * use (json_scan_mend()) are all that is wrong with it. Then returns 0 with the mended value and
 * the path, owned by the caller, of the first value or member name that was mended ("spec.env.A",
 * "a[2].b"; "" for the value itself). Else -EBADMSG, -E2BIG (ret_where filled, may be NULL) or
 * -ENOMEM. For messages to its sender: the value must not be used. */
int json_parse_mended(const char *data, size_t size, size_t values_max, json_object **ret,
                      char **ret_path, JsonParseError *ret_where);
