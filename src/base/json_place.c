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
        unsigned line;
} Cursor;

static char json_place_peek(Cursor *c)
{
        while (c->at < c->size && memchr(" \t\r\n", c->data[c->at], 4)) {
                if (c->data[c->at] == '\n')
                        c->line++;
                c->at++;
        }
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
        const char *reason;
        size_t end;

        if (!memchr(c->data + start, '\\', length))
                return strndup(c->data + start, length);
        if (json_tree_new(c->data + start - 1, length + 2, &decoded, &end, &reason) < 0)
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

/* Walks the value at the cursor; returns the offset of the first member given twice, or 0. */
static size_t duplicate_in(Cursor *c)
{
        _cleanup_json_ json_object *seen = NULL;
        size_t found = 0, start, length;
        char close = json_place_enter(c);

        if (!close)
                skip_scalar(c);
        else if (close == '}' && !(seen = json_object_new_object()))
                return 0;
        while (close && !found && more(c, close)) {
                if (close == '}') {
                        _cleanup_free_ char *name = NULL;

                        skip_name(c, &start, &length);
                        name = json_place_member_name(c, start, length);
                        if (name && json_object_object_get_ex(seen, name, NULL))
                                return start - 1; /* the quote */
                        if (name)
                                json_object_object_add(seen, name, NULL);
                }
                found = duplicate_in(c);
        }
        return found;
}

size_t json_place_duplicate(const char *data, size_t size)
{
        return duplicate_in(&(Cursor){.data = data, .size = size});
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

/* What is left of the path after the member at the cursor, whose name and colon it skips; NULL if
 * the path leads elsewhere. */
static const char *after_member(Cursor *c, const char *path)
{
        _cleanup_free_ char *name = NULL;
        size_t start, length;

        skip_name(c, &start, &length);
        name = path ? json_place_member_name(c, start, length) : NULL;
        length = name ? strlen(name) : 0;
        if (!name || strncmp(path, name, length) != 0 || !strchr(".[", path[length]) ||
            (!length && !path[length]))
                return NULL;
        return path + length + (path[length] == '.');
}

static const char *after_item(const char *path, unsigned index)
{
        char *close;

        if (!path || path[0] != '[' || strtoul(path + 1, &close, 10) != index || *close != ']')
                return NULL;
        return close + 1 + (close[1] == '.');
}

/* Walks the value at the cursor; returns the line of the member that path names in it, or 0. */
static unsigned line_in(Cursor *c, const char *path)
{
        unsigned found = 0;
        char close = json_place_enter(c);

        if (!close)
                skip_scalar(c);
        for (unsigned index = 0; close && more(c, close); index++) {
                unsigned line = c->line, below;
                const char *rest = close == '}' ? after_member(c, path) : after_item(path, index);

                if (rest && !*rest && !found)
                        found = line;
                below = line_in(c, rest && *rest ? rest : NULL);
                found = found ?: below;
        }
        return found;
}

unsigned json_place_line(const char *data, size_t size, const char *path)
{
        return line_in(&(Cursor){.data = data, .size = size, .line = 1}, path);
}
