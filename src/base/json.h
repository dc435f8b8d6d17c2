/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Typed, bounded access to JSON (json-c).
 *
 * json_parse() takes foreign bytes and is the only way to a tree: what json_scan.h accepts, without
 * members that are given twice. What it refuses is never repaired.
 * json_dispatch() takes an object apart by a table, refusing unknown members and wrong types.
 */

#include <inttypes.h>
#include <json-c/json.h>

#include "base/json_scan.h"
#include "base/macros.h"

DEFINE_CLEANUP(json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

/* Where and why a text is not valid JSON: lines and columns (in characters) count from 1. */
typedef struct JsonParseError {
        unsigned line, column;
        char reason[96];
        size_t values; /* how many there are, where they are too many; else 0 */
} JsonParseError;

/* Overwrites every string of the tree, member names left out: for secrets that nobody needs any
 * more. Strings that another tree shares are overwritten there, too. NULL is allowed. */
void json_clear_strings(json_object *object);

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

/* The line (from 1) on which the member named by a path such as "ports.first" or "a[2].b" begins in
 * a text that json_parse() accepted; 0 if there is none. For messages about configuration files. */
unsigned json_locate(const char *data, size_t size, const char *path);

/* An object from pairs (const char *key, json_object *value), ended by NULL; takes the values.
 * A NULL value leaves its key out. Keys are string literals, each given once. */
json_object *json_build(const char *key, ...) _sentinel_;

/* Adds a member that the object does not have yet; takes value. key is a string literal: it is not
 * copied. */
void json_add(json_object *object, const char *key, json_object *value);

/* A string object in which every byte sequence that is not valid UTF-8 is replaced by U+FFFD. */
json_object *json_new_text(const char *s);

/* An object that is written as this text, which is one already, and has no members of its own; for
 * what is kept only to be written. */
json_object *json_new_written(const char *text);

/* RFC 8259 text on one line, '/' not escaped. Borrowed from the object. */
const char *json_text(json_object *object);

/* Borrowed member or NULL when absent or null. */
json_object *json_member(json_object *object, const char *key);
/* Borrowed string member, or NULL when absent or not a string. */
const char *json_member_string(json_object *object, const char *key);
int64_t json_member_int(json_object *object, const char *key, int64_t fallback);
bool json_member_bool(json_object *object, const char *key, bool fallback);

typedef enum JsonKind {
        JSON_BOOL,   /* bool */
        JSON_INT,    /* int64_t */
        JSON_UINT32, /* uint32_t, 0 to 4294967295 */
        JSON_STRING, /* char *, newly allocated, the old one freed */
        JSON_OBJECT, /* json_object *, borrowed */
        JSON_ARRAY,  /* json_object *, borrowed */
        JSON_MAP,    /* json_object *, borrowed: an object whose values are all strings */
} JsonKind;

typedef enum JsonFieldFlags {
        JSON_REQUIRED = 1 << 0,
} JsonFieldFlags;

/* A member, where its value goes in the target struct (absent or null leaves it as it was), and for
 * JSON_INT the range allowed (both 0: any). */
typedef struct JsonField {
        const char *name;
        JsonKind kind;
        size_t offset;
        unsigned flags;
        int64_t min, max;
} JsonField;

/* Called with the member's path and the reason; its result is what json_dispatch() returns. */
typedef int (*JsonRefuse)(void *userdata, const char *path, const char *reason);

/* Takes `object` apart by `fields` (ended by {}) into `target`. `prefix` is put before member names
 * in refusals ("" for none). Returns 0 or the result of `refuse`. On failure strings that were
 * stored stay with the target. */
int json_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  JsonRefuse refuse, void *userdata);
