/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_tree.h"

#include <stdlib.h>
#include <string.h>

#include "base/json_access.h"
#include "base/json_scan.h"

#define SHORT_MAX 128u /* bytes of a decoded text that needs no memory of its own */

typedef struct JsonTree {
        const char *data;
        size_t size, at;
} JsonTree;

static int json_tree_value(JsonTree *tree, json_object **ret);

static char json_tree_peek(const JsonTree *tree)
{
        return tree->at < tree->size ? tree->data[tree->at] : 0;
}

/* The same after white space. */
static char json_tree_next(JsonTree *tree)
{
        char c;

        while ((c = json_tree_peek(tree)) == ' ' || c == '\t' || c == '\r' || c == '\n')
                tree->at++;
        return c;
}

/* The four digits of a \uXXXX. */
static uint32_t json_tree_unit(const char *digits)
{
        uint32_t unit = 0;

        for (size_t i = 0; i < 4; i++) {
                char c = digits[i];

                unit = unit << 4 | (uint32_t)(c <= '9' ? c - '0' : (c | 0x20) - 'a' + 10);
        }
        return unit;
}

static char *json_tree_put_utf8(char *p, uint32_t c)
{
        if (c < 0x80) {
                *p++ = (char)c;
                return p;
        }
        if (c < 0x800) {
                *p++ = (char)(0xc0 | c >> 6);
        } else {
                if (c < 0x10000) {
                        *p++ = (char)(0xe0 | c >> 12);
                } else {
                        *p++ = (char)(0xf0 | c >> 18);
                        *p++ = (char)(0x80 | (c >> 12 & 0x3f));
                }
                *p++ = (char)(0x80 | (c >> 6 & 0x3f));
        }
        *p++ = (char)(0x80 | (c & 0x3f));
        return p;
}

/* What the escape at *data stands for, which is not longer; moves *data behind it. */
static char *json_tree_unescape(char *p, const char **data)
{
        static const char named[] = "b\bf\fn\nr\rt\t";
        const char *escape = *data, *name;
        uint32_t c;

        *data += 2;
        if (escape[1] != 'u') {
                name = memchr("bfnrt", escape[1], 5) ? strchr(named, escape[1]) : NULL;
                *p++ = name ? name[1] : escape[1];
                return p;
        }
        c = json_tree_unit(escape + 2);
        *data += 4;
        if (c >= 0xd800 && c <= 0xdbff) {
                c = 0x10000 + ((c - 0xd800) << 10) + (json_tree_unit(escape + 8) - 0xdc00);
                *data += 6;
        }
        return json_tree_put_utf8(p, c);
}

/* Writes what the raw text of a string means, which is not longer, and a NUL; returns its size. */
static size_t json_tree_decode(char *out, const char *raw, size_t size)
{
        const char *end = raw + size;
        char *p = out;

        while (raw < end) {
                const char *escape = memchr(raw, '\\', (size_t)(end - raw)) ?: end;

                p = mempcpy(p, raw, (size_t)(escape - raw));
                raw = escape;
                if (raw < end)
                        p = json_tree_unescape(p, &raw);
        }
        *p = 0;
        return (size_t)(p - out);
}

/* Goes past the string at the cursor; gives its raw text, between the quotes. */
static size_t json_tree_skip_string(JsonTree *tree, const char **ret, bool *ret_escapes)
{
        const char *raw = tree->data + ++tree->at;
        bool escapes = false;

        while (tree->data[tree->at] != '"') {
                bool escape = tree->data[tree->at] == '\\';

                escapes |= escape;
                tree->at += escape ? 2 : 1;
        }
        *ret = raw;
        *ret_escapes = escapes;
        return (size_t)(tree->data + tree->at++ - raw);
}

/* The decoded text of the string at the cursor, in `brief` if it is short, else newly allocated,
 * and its size. NULL without memory. */
static char *json_tree_text(JsonTree *tree, char brief[static SHORT_MAX], size_t *ret_size)
{
        const char *raw;
        bool escapes;
        size_t size = json_tree_skip_string(tree, &raw, &escapes);
        char *text = size < SHORT_MAX ? brief : malloc(size + 1);

        if (text)
                *ret_size = json_tree_decode(text, raw, size);
        return text;
}

static int json_tree_string(JsonTree *tree, json_object **ret)
{
        size_t at = tree->at, size;
        _uninitialized_ char brief[SHORT_MAX];
        char *text;
        const char *raw;
        bool escapes;

        size = json_tree_skip_string(tree, &raw, &escapes);
        if (!escapes) {
                *ret = json_object_new_string_len(raw, (int)size);
        } else {
                tree->at = at;
                text = json_tree_text(tree, brief, &size);
                *ret = text ? json_object_new_string_len(text, (int)size) : NULL;
                if (text)
                        explicit_bzero(text, size); /* perhaps a secret */
                if (text != brief)
                        free(text);
        }
        return *ret ? 0 : -ENOMEM;
}

/* json_scan() has seen to it that the number fits. */
static int json_tree_number(JsonTree *tree, json_object **ret)
{
        _uninitialized_ char text[JSON_NUMBER_MAX + 1];
        bool is_integer = true;
        size_t size = 0;

        for (char c; size < JSON_NUMBER_MAX && (c = json_tree_peek(tree)) &&
                     memchr("+-.0123456789Ee", c, 15);
             tree->at++) {
                is_integer &= c != '.' && c != 'e' && c != 'E';
                text[size++] = c;
        }
        text[size] = 0;
        if (!is_integer) {
                *ret = json_object_new_double_s(strtod(text, NULL), text);
        } else if (text[0] == '-') {
                *ret = json_object_new_int64(strtoll(text, NULL, 10));
        } else {
                uint64_t value = strtoull(text, NULL, 10);

                *ret = value > INT64_MAX ? json_object_new_uint64(value)
                                         : json_object_new_int64((int64_t)value);
        }
        return *ret ? 0 : -ENOMEM;
}

/* A comma, if there is one; whether another value comes before the closing bracket, which is else
 * gone past. */
static bool json_tree_more(JsonTree *tree, char close)
{
        if (json_tree_next(tree) == ',') {
                tree->at++;
                json_tree_next(tree);
        }
        if (json_tree_peek(tree) != close)
                return true;
        tree->at++;
        return false;
}

static int json_tree_array(JsonTree *tree, json_object *array)
{
        while (json_tree_more(tree, ']')) {
                json_object *value = NULL;
                int r = json_tree_value(tree, &value);

                if (json_object_array_add(array, value) < 0) {
                        json_clear_strings(value);
                        json_object_put(value);
                        return -ENOMEM;
                }
                if (r < 0)
                        return r;
        }
        return 0;
}

static int json_tree_add_member(JsonTree *tree, json_object *object, const char *name)
{
        json_object *value = NULL;
        int r;

        json_tree_next(tree); /* the colon */
        tree->at++;
        r = json_tree_value(tree, &value);
        if (json_object_object_add_ex(object, name, value, JSON_C_OBJECT_ADD_KEY_IS_NEW) == 0)
                return r;
        json_clear_strings(value);
        json_object_put(value);
        return -ENOMEM;
}

static int json_tree_members(JsonTree *tree, json_object *object)
{
        while (json_tree_more(tree, '}')) {
                _uninitialized_ char brief[SHORT_MAX];
                size_t at = tree->at, size;
                char *name = json_tree_text(tree, brief, &size);
                int r = -ENOMEM;

                if (name && json_object_object_get_ex(object, name, NULL)) {
                        tree->at = at;
                        r = -EEXIST;
                } else if (name) {
                        r = json_tree_add_member(tree, object, name);
                }
                if (name != brief)
                        free(name);
                if (r < 0)
                        return r;
        }
        return 0;
}

/* The value after white space. What there is of it is set in case of a failure, too. */
static int json_tree_value(JsonTree *tree, json_object **ret)
{
        char c = json_tree_next(tree);

        if (c == '"')
                return json_tree_string(tree, ret);
        if (c == '{') {
                tree->at++;
                *ret = json_object_new_object();
                return *ret ? json_tree_members(tree, *ret) : -ENOMEM;
        }
        if (c == '[') {
                tree->at++;
                *ret = json_object_new_array();
                return *ret ? json_tree_array(tree, *ret) : -ENOMEM;
        }
        if (c == 't' || c == 'f') {
                tree->at += c == 't' ? strlen("true") : strlen("false");
                *ret = json_object_new_boolean(c == 't');
                return *ret ? 0 : -ENOMEM;
        }
        if (c == 'n') {
                tree->at += strlen("null");
                return 0;
        }
        return json_tree_number(tree, ret);
}

int json_tree_new(const char *data, size_t size, json_object **ret, size_t *ret_at)
{
        JsonTree tree = {.data = data, .size = size};
        json_object *value = NULL;
        int r = json_tree_value(&tree, &value);

        if (r < 0) {
                json_clear_strings(value);
                json_object_put(value);
                *ret_at = tree.at;
                return r;
        }
        *ret = value;
        return 0;
}
