/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_place.h"

#include <stdio.h>
#include <string.h>

#include "base/json_access.h"
#include "base/json_tree.h"
#include "base/text.h"

typedef struct Cursor {
        const char *data;
        size_t size, at;
} Cursor;

static char json_place_peek(Cursor *c)
{
        while (c->at < c->size && memchr(" \t\r\n", c->data[c->at], 4))
                c->at++;
        return c->at < c->size ? c->data[c->at] : 0;
}

/* Skips a string at the cursor; gives the raw text between its quotes. */
static void json_place_skip_string(Cursor *c, size_t *ret_start, size_t *ret_length)
{
        size_t start = ++c->at;

        while (c->at < c->size && c->data[c->at] != '"')
                c->at += c->data[c->at] == '\\' ? 2 : 1;
        *ret_start = start;
        *ret_length = c->at - start;
        c->at++;
}

/* Skips a string, a number, true, false or null. */
static void skip_scalar(Cursor *c)
{
        size_t start, length;

        if (json_place_peek(c) == '"') {
                json_place_skip_string(c, &start, &length);
                return;
        }
        while (c->at < c->size && !memchr(",]} \t\r\n", c->data[c->at], 7))
                c->at++;
}

/* The name of a member from its raw text, which begins after a quote; NULL without memory. */
static char *json_place_member_name(const Cursor *c, size_t start, size_t length)
{
        _cleanup_json_ json_object *decoded = NULL;
        size_t at;

        if (!memchr(c->data + start, '\\', length))
                return strndup(c->data + start, length);
        if (json_tree_new(c->data + start - 1, length + 2, &decoded, &at) < 0)
                return NULL;
        return strdup(json_object_get_string(decoded));
}

/* Begins the array or object at the cursor; returns its closing bracket, or 0 for a scalar. */
static char json_place_enter(Cursor *c)
{
        char open = json_place_peek(c);

        if (open != '{' && open != '[')
                return 0;
        c->at++;
        return open == '{' ? '}' : ']';
}

/* Whether the array or object that `close` ends has another value; else goes past its end. */
static bool more(Cursor *c, char close)
{
        if (json_place_peek(c) == ',') {
                c->at++;
                json_place_peek(c);
        }
        if (c->at < c->size && json_place_peek(c) != close)
                return true;
        c->at++;
        return false;
}

/* Past a member's name and its colon. */
static void skip_name(Cursor *c, size_t *ret_start, size_t *ret_length)
{
        json_place_skip_string(c, ret_start, ret_length);
        json_place_peek(c);
        c->at++;
}

/* As json_place_path(), of the value at the cursor; returns 1 if found, 0 if the value ends before
 * the offset. */
static int path_to(Cursor *c, size_t offset, char **ret)
{
        char close = json_place_enter(c);

        if (!close) {
                skip_scalar(c);
                if (c->at <= offset)
                        return 0;
                *ret = strdup("");
                return *ret ? 1 : -ENOMEM;
        }
        for (unsigned index = 0; more(c, close); index++) {
                _cleanup_free_ char *rest = NULL, *own = NULL;
                size_t start = 0, length = 0;
                int r;

                if (close == '}') {
                        skip_name(c, &start, &length);
                        if (start + length > offset) {
                                *ret = json_place_member_name(c, start, length);
                                return *ret ? 1 : -ENOMEM;
                        }
                }
                r = path_to(c, offset, &rest);
                if (r < 0)
                        return r;
                if (r == 0)
                        continue;
                if (close == '}')
                        own = json_place_member_name(c, start, length);
                else
                        own = text_format("[%u]", index);
                *ret = own ? text_format("%s%s%s", own, *rest && *rest != '[' ? "." : "", rest)
                           : NULL;
                return *ret ? 1 : -ENOMEM;
        }
        return 0;
}

int json_place_path(const char *data, size_t size, size_t offset, char **ret)
{
        int r = path_to(&(Cursor){.data = data, .size = size}, offset, ret);

        if (r == 0)
                return -EBADMSG;
        return r < 0 ? r : 0;
}

void json_place_advance(JsonPlace *place, const char *data, size_t at)
{
        if (!place->line)
                *place = (JsonPlace){.line = 1, .column = 1};
        for (; place->at < at; place->at++) {
                if (data[place->at] == '\n') {
                        place->line++;
                        place->column = 1;
                } else if ((data[place->at] & 0xc0) != 0x80) {
                        place->column++; /* the first byte of a character */
                }
        }
}

/* What is left of the path after a member of that name; NULL if the path leads elsewhere. A path
 * that was cut and ends in "…" leads to the first member that begins like it. */
static const char *after_member(const char *name, const char *path)
{
        static const char ellipsis[] = "\xe2\x80\xa6";
        size_t length = strlen(name), size;

        if (strncmp(path, name, length) == 0 && strchr(".[", path[length]) &&
            (length || path[length]))
                return path + length + (path[length] == '.');
        size = strlen(path);
        if (size < strlen(ellipsis) || strcmp(path + size - strlen(ellipsis), ellipsis) != 0)
                return NULL;
        return strncmp(path, name, size - strlen(ellipsis)) == 0 ? path + size : NULL;
}

static const char *after_item(const char *path, unsigned index)
{
        char *close;

        if (path[0] != '[' || strtoul(path + 1, &close, 10) != index || *close != ']')
                return NULL;
        return close + 1 + (close[1] == '.');
}

/* What is looked for at one level: of each member the rest of its path, NULL once it is found or
 * leads elsewhere. */
typedef struct Rests {
        const char *of[JSON_PLACE_MAX];
        size_t n;
} Rests;

typedef struct Search {
        JsonMember *members;
        JsonPlace place; /* of what was found last: what is found comes in the order of the text */
} Search;

/* The paths that lead on into a child of the value at the cursor; those that end with the child
 * are found. name: of a member; NULL: the child is the item with that index. */
static void enter_child(const Cursor *c, Search *search, Rests *rests, size_t at, const char *name,
                        unsigned index, Rests *ret)
{
        *ret = (Rests){.n = 0};
        for (size_t i = 0; i < rests->n; i++) {
                const char *path = rests->of[i];
                JsonMember *member = &search->members[i];

                if (path && !member->line)
                        path = name ? after_member(name, path) : after_item(path, index);
                else
                        path = NULL;
                if (path && !*path) {
                        json_place_advance(&search->place, c->data, at);
                        member->line = search->place.line;
                        member->column = search->place.column;
                        path = NULL;
                }
                ret->of[i] = path;
                if (path)
                        ret->n = rests->n;
        }
}

/* Walks the value at the cursor and looks for what leads into it. */
static void search_in(Cursor *c, Search *search, Rests *rests)
{
        char close = json_place_enter(c);
        Rests below;

        if (!close)
                skip_scalar(c);
        for (unsigned index = 0; close && more(c, close); index++) {
                _cleanup_free_ char *name = NULL;
                size_t at = c->at, start, length;

                if (close == '}')
                        skip_name(c, &start, &length);
                if (close == '}' && rests->n)
                        name = json_place_member_name(c, start, length);
                below.n = 0;
                if (rests->n && (name || close == ']'))
                        enter_child(c, search, rests, at, name, index, &below);
                search_in(c, search, &below);
        }
}

void json_place_members(const char *data, size_t size, JsonMember *members, size_t n)
{
        Cursor cursor = {.data = data, .size = size};
        Search search = {.members = members};
        Rests rests = {.n = n < JSON_PLACE_MAX ? n : JSON_PLACE_MAX};

        json_place_peek(&cursor);
        for (size_t i = 0; i < n; i++)
                members[i].line = members[i].column = 0;
        for (size_t i = 0; i < rests.n; i++) {
                rests.of[i] = members[i].path;
                if (*members[i].path)
                        continue;
                json_place_advance(&search.place, data, cursor.at);
                members[i].line = search.place.line;
                members[i].column = search.place.column;
        }
        search_in(&cursor, &search, &rests);
}

unsigned json_place_line(const char *data, size_t size, const char *path)
{
        JsonMember member = {.path = path};

        json_place_members(data, size, &member, 1);
        return member.line;
}
