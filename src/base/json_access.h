/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Typed access to the values of a tree, and new ones. */

#include <inttypes.h>
#include <json-c/json.h>

#include "base/macros.h"

DEFINE_CLEANUP(json_object *, json_object_put)
#define _cleanup_json_ _cleanup_(json_object_putp)

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
/* Takes the object and makes one in its place that has its text alone, without members, for a reply
 * of which it is a part: what is written into it is not made a second time. *ret_length: of the
 * text. NULL without memory, or for NULL. */
json_object *json_to_text(json_object *object, size_t *ret_length);

/* Borrowed member or NULL when absent or null. */
json_object *json_member(json_object *object, const char *key);
/* Borrowed string member, or NULL when absent or not a string. */
const char *json_member_string(json_object *object, const char *key);
int64_t json_member_int(json_object *object, const char *key, int64_t fallback);
bool json_member_bool(json_object *object, const char *key, bool fallback);

/* Overwrites every string of the tree, member names left out: for secrets that nobody needs any
 * more. Strings that another tree shares are overwritten there, too. NULL is allowed. */
void json_clear_strings(json_object *object);
