/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * JSON as text, written from its first byte to its last, for what is written often: a tree of
 * objects costs many times as much.
 *
 * Memory that is missing is noticed at the end. Keys are string literals of at most
 * JSON_WRITE_KEY_MAX bytes in which nothing is to be escaped, each given once; NULL in an array.
 */

#include "base/buffer.h"
#include "base/json_access.h"

#define JSON_WRITE_KEY_MAX 60u

typedef struct JsonWriter {
        Buffer text;
        bool failed;
} JsonWriter;

/* Makes room for a text of about that size at once. */
void json_write_reserve(JsonWriter *writer, size_t size);
/* open: '{' or '[', which json_write_end() closes. */
void json_write_begin(JsonWriter *writer, const char *key, char open);
void json_write_end(JsonWriter *writer, char close);
/* As json_new_text(); NULL: the member is left out. */
void json_write_text(JsonWriter *writer, const char *key, const char *value);
void json_write_int(JsonWriter *writer, const char *key, int64_t value);
void json_write_bool(JsonWriter *writer, const char *key, bool value);
/* Borrowed; NULL: the member is left out. */
void json_write_tree(JsonWriter *writer, const char *key, json_object *value);

/* Both end the writer. The text is newly allocated; NULL without memory. */
char *json_writer_take(JsonWriter *writer);
json_object *json_writer_to_object(JsonWriter *writer); /* as of json_new_written() */
