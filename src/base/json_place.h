/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where something stands in a text that json_scan() has accepted. */

#include "base/macros.h"

/* The path of the scalar or member name that reaches over `offset`: "spec.env.A", "a[2].b", ""
 * for the value itself. Returns 0, -EBADMSG if nothing reaches over it, or -ENOMEM. */
int json_place_path(const char *data, size_t size, size_t offset, char **ret);

/* A place in a text: line and column count from 1, the column in characters. */
typedef struct JsonPlace {
        unsigned line, column;
        size_t at; /* offset */
} JsonPlace;

/* Moves the place on to an offset that is not before it. A place of zeros is at the beginning. */
void json_place_advance(JsonPlace *place, const char *data, size_t at);

#define JSON_PLACE_MAX 64

/* A member or item that is looked for by a path such as "ports.first" or "a[2].b" ("": the value
 * itself), and where its name (of an item: the item) begins. */
typedef struct JsonMember {
        const char *path;      /* borrowed */
        unsigned line, column; /* as in JsonPlace; 0: not there */
} JsonMember;

/* Looks for n members, at most JSON_PLACE_MAX, in one walk over a text that json_parse() accepted.
 * A path that ends in "…" leads to the first member whose path begins like it. If names contain '.'
 * or '[', a path may lead to two members: the first one is found. */
void json_place_members(const char *data, size_t size, JsonMember *members, size_t n);

/* The line of one member, 0 if there is none. For messages about configuration files. */
unsigned json_place_line(const char *data, size_t size, const char *path);
