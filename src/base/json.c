/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json.h"

#include <ctype.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/text.h"

static int parse_error(JsonParseError *ret, const char *data, size_t at, const char *reason)
{
        if (ret) {
                ret->line = ret->column = 1;
                for (size_t i = 0; i < at; i++) {
                        ret->column++;
                        if (data[i] == '\n') {
                                ret->line++;
                                ret->column = 1;
                        }
                }
                snprintf(ret->reason, sizeof(ret->reason), "%s", reason);
        }
        return -EBADMSG;
}

/*
 * What json-c lets pass and we do not, seen before it: NUL in strings (it would cut a C string
 * short), single quotes around member names, NaN and Infinity, and the UTF-8 that only its own
 * check takes (overlong forms, surrogates, beyond U+10FFFF). Members given twice are found by
 * walk() afterwards.
 */
static int scan_strict(const char *data, size_t size, JsonParseError *ret)
{
        bool in_string = false;
        size_t valid = text_utf8_prefix(data, size);

        if (valid < size)
                return parse_error(ret, data, valid, "text that is not UTF-8");
        for (size_t i = 0; i < size; i++) {
                if (data[i] == 0)
                        return parse_error(ret, data, i, "a NUL byte");
                if (!in_string) {
                        if (data[i] == '\'' || (isupper((unsigned char)data[i]) && data[i] != 'E'))
                                return parse_error(ret, data, i, "an unexpected character");
                        in_string = data[i] == '"';
                        continue;
                }
                if (data[i] == '"') {
                        in_string = false;
                } else if (data[i] == '\\') {
                        if (size - i >= 6 && memcmp(data + i, "\\u0000", 6) == 0)
                                return parse_error(ret, data, i, "a NUL character in a string");
                        i++;
                } else if ((unsigned char)data[i] < 0x20) {
                        return parse_error(ret, data, i, "a control character in a string");
                }
        }
        return 0;
}

/* A position in a text that json-c has already accepted. */
typedef struct Cursor {
        const char *data;
        size_t size, at;
        unsigned line;
} Cursor;

static char peek(Cursor *c)
{
        while (c->at < c->size && isspace((unsigned char)c->data[c->at])) {
                if (c->data[c->at] == '\n')
                        c->line++;
                c->at++;
        }
        return c->at < c->size ? c->data[c->at] : 0;
}

/* Skips a string at the cursor; gives the raw text between its quotes. */
static void skip_string(Cursor *c, size_t *ret_start, size_t *ret_length)
{
        size_t start = ++c->at;

        while (c->at < c->size && c->data[c->at] != '"')
                c->at += c->data[c->at] == '\\' ? 2 : 1;
        if (ret_start) {
                *ret_start = start;
                *ret_length = c->at - start;
        }
        c->at++;
}

/* Skips a number, true, false or null. */
static void skip_word(Cursor *c)
{
        while (c->at < c->size && !strchr(",]} \t\r\n", c->data[c->at]))
                c->at++;
}

/* The name of a member from its raw text, which begins after a quote; NULL without memory. */
static char *member_name(const Cursor *c, size_t start, size_t length)
{
        _cleanup_json_ json_object *decoded = NULL;
        _cleanup_free_ char *raw = NULL;

        if (!memchr(c->data + start, '\\', length))
                return strndup(c->data + start, length);
        raw = strndup(c->data + start - 1, length + 2);
        decoded = raw ? json_tokener_parse(raw) : NULL;
        return decoded ? strdup(json_object_get_string(decoded)) : NULL;
}

/* Walks the value at the cursor. With `path`, returns the line of the member that it names, else 0;
 * with `duplicate`, sets it to the offset of a member given twice (SIZE_MAX: none). */
static unsigned walk(Cursor *c, const char *path, size_t *duplicate)
{
        unsigned found = 0;
        char open = peek(c);

        if (open == '"') {
                skip_string(c, NULL, NULL);
        } else if (open == '{' || open == '[') {
                _cleanup_json_ json_object *seen = NULL;
                char end = open == '{' ? '}' : ']';

                if (open == '{' && duplicate)
                        seen = json_object_new_object();
                c->at++;
                for (unsigned index = 0; peek(c) != end && c->at < c->size; index++) {
                        const char *rest = NULL;
                        unsigned line;

                        line = c->line;
                        if (open == '{') {
                                _cleanup_free_ char *key = NULL;
                                size_t start, length;

                                skip_string(c, &start, &length);
                                key = member_name(c, start, length);
                                length = key ? strlen(key) : 0;
                                if (path && key && strncmp(path, key, length) == 0 &&
                                    strchr(".[", path[length]) && (length || path[length]))
                                        rest = path + length + (path[length] == '.');
                                if (seen && key) {
                                        if (json_object_object_get_ex(seen, key, NULL) &&
                                            *duplicate == SIZE_MAX)
                                                *duplicate = start;
                                        json_object_object_add(seen, key, NULL);
                                }
                                peek(c);
                                c->at++; /* the colon */
                        } else if (path && path[0] == '[') {
                                char *close;

                                if (strtoul(path + 1, &close, 10) == index && *close == ']')
                                        rest = close + 1 + (close[1] == '.');
                        }
                        if (rest && !*rest)
                                found = line;
                        line = walk(c, rest && *rest ? rest : NULL, duplicate);
                        found = found ?: line;
                        if (peek(c) == ',')
                                c->at++;
                        peek(c);
                }
                c->at++;
        } else {
                skip_word(c);
        }
        return found;
}

int json_parse(const char *data, size_t size, json_object **ret, JsonParseError *ret_where)
{
        json_tokener *tokener;
        json_object *object;
        enum json_tokener_error error;
        size_t end, duplicate = SIZE_MAX;
        int r;

        if (size > INT_MAX)
                return parse_error(ret_where, data, 0, "too long");
        r = scan_strict(data, size, ret_where);
        if (r < 0)
                return r;

        tokener = json_tokener_new_ex(JSON_DEPTH_MAX);
        if (!tokener)
                return -ENOMEM;
        json_tokener_set_flags(tokener, JSON_TOKENER_STRICT | JSON_TOKENER_VALIDATE_UTF8 |
                                                JSON_TOKENER_ALLOW_TRAILING_CHARS);
        /* room for the longest string at once: growing would leave copies behind */
        printbuf_memset(tokener->pb, 0, 0, (int)size);
        object = json_tokener_parse_ex(tokener, data, (int)size);
        error = json_tokener_get_error(tokener);
        if (error == json_tokener_continue && !object) {
                /* a bare number ends only at the end of the text */
                object = json_tokener_parse_ex(tokener, "", -1);
                error = json_tokener_get_error(tokener);
                end = size;
        } else {
                end = json_tokener_get_parse_end(tokener);
        }
        explicit_bzero(tokener->pb->buf, (size_t)tokener->pb->size); /* the last string */
        json_tokener_free(tokener);

        if (error != json_tokener_success) {
                json_object_put(object);
                if (error == json_tokener_continue || end >= size)
                        return parse_error(ret_where, data, size, "the text ends too early");
                return parse_error(ret_where, data, end, json_tokener_error_desc(error));
        }
        for (size_t i = end; i < size; i++)
                if (!strchr(" \t\r\n", data[i])) {
                        json_object_put(object);
                        return parse_error(ret_where, data, i, "more text after the value");
                }

        walk(&(Cursor){.data = data, .size = size, .line = 1}, NULL, &duplicate);
        if (duplicate != SIZE_MAX) {
                json_object_put(object);
                return parse_error(ret_where, data, duplicate, "a member given twice");
        }

        *ret = object;
        return 0;
}

void json_clear_strings(json_object *object)
{
        if (json_object_is_type(object, json_type_string)) {
                /* json-c lends out its own bytes */
                explicit_bzero((char *)json_object_get_string(object),
                               (size_t)json_object_get_string_len(object));
        } else if (json_object_is_type(object, json_type_array)) {
                for (size_t i = 0; i < json_object_array_length(object); i++)
                        json_clear_strings(json_object_array_get_idx(object, i));
        } else if (json_object_is_type(object, json_type_object)) {
                json_object_object_foreach (object, name, value) {
                        (void)name;
                        json_clear_strings(value);
                }
        }
}

/* Walks the value at the cursor up to `offset`. Returns 1 with the path of the string there ("" for
 * the value itself; a member's name has the member's), 0 if the value ends before, or -ENOMEM. */
static int path_to(Cursor *c, size_t offset, char **ret)
{
        char open = peek(c), end = open == '{' ? '}' : ']';

        if (open == '"') {
                skip_string(c, NULL, NULL);
                if (c->at <= offset)
                        return 0;
                *ret = strdup("");
                return *ret ? 1 : -ENOMEM;
        }
        if (open != '{' && open != '[') {
                skip_word(c);
                return 0;
        }
        c->at++;
        for (unsigned index = 0; peek(c) != end && c->at < c->size; index++) {
                _cleanup_free_ char *rest = NULL, *own = NULL;
                size_t start = 0, length = 0;
                int r = 0;

                if (open == '{') {
                        skip_string(c, &start, &length);
                        if (c->at > offset) {
                                *ret = member_name(c, start, length);
                                return *ret ? 1 : -ENOMEM;
                        }
                        peek(c);
                        c->at++; /* the colon */
                }
                r = path_to(c, offset, &rest);
                if (r < 0)
                        return r;
                if (r > 0) {
                        if (open == '{')
                                own = member_name(c, start, length);
                        else if (asprintf(&own, "[%u]", index) < 0)
                                own = NULL;
                        if (!own || asprintf(ret, "%s%s%s", own, *rest && *rest != '[' ? "." : "",
                                             rest) < 0)
                                return -ENOMEM;
                        return 1;
                }
                if (peek(c) == ',')
                        c->at++;
        }
        c->at++;
        return 0;
}

int json_parse_nul(const char *data, size_t size, json_object **ret, char **ret_path)
{
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *copy = NULL;
        size_t first = 0;
        int r;

        /* where there is a backslash outside of strings, json_parse() refuses the copy too */
        for (size_t i = 0; i < size; i++) {
                if (data[i] != '\\')
                        continue;
                if (size - i >= 6 && memcmp(data + i, "\\u0000", 6) == 0) {
                        if (!copy) {
                                copy = malloc(size);
                                if (!copy)
                                        return -ENOMEM;
                                memcpy(copy, data, size);
                                first = i;
                        }
                        memcpy(copy + i, "\\ufffd", 6);
                }
                i++;
        }
        if (!copy)
                return -EBADMSG;
        r = json_parse(copy, size, &object, NULL);
        if (r < 0)
                return r;
        r = path_to(&(Cursor){.data = copy, .size = size}, first, ret_path);
        if (r <= 0)
                return r < 0 ? r : -EBADMSG;
        *ret = TAKE_PTR(object);
        return 0;
}

unsigned json_locate(const char *data, size_t size, const char *path)
{
        return walk(&(Cursor){.data = data, .size = size, .line = 1}, path, NULL);
}

void json_add(json_object *object, const char *key, json_object *value)
{
        json_object_object_add_ex(object, key, value,
                                  JSON_C_OBJECT_ADD_KEY_IS_NEW | JSON_C_OBJECT_ADD_CONSTANT_KEY);
}

json_object *json_build(const char *key, ...)
{
        json_object *object = json_object_new_object();
        va_list ap;

        va_start(ap, key);
        for (; key; key = va_arg(ap, const char *)) {
                json_object *value = va_arg(ap, json_object *);

                if (value)
                        json_add(object, key, value);
        }
        va_end(ap);
        return object;
}

json_object *json_new_text(const char *s)
{
        _cleanup_free_ char *valid = text_make_utf8(s, strlen(s));

        return json_object_new_string(valid ?: "");
}

json_object *json_new_written(const char *text)
{
        _cleanup_free_ char *copy = strdup(text);
        json_object *object = copy ? json_object_new_object() : NULL;

        if (object)
                json_object_set_serializer(object, json_object_userdata_to_json_string,
                                           TAKE_PTR(copy), json_object_free_userdata);
        return object;
}

const char *json_text(json_object *object)
{
        return json_object_to_json_string_ext(object, JSON_C_TO_STRING_PLAIN |
                                                              JSON_C_TO_STRING_NOSLASHESCAPE);
}

json_object *json_member(json_object *object, const char *key)
{
        json_object *value = NULL;

        json_object_object_get_ex(object, key, &value);
        return value;
}

const char *json_member_string(json_object *object, const char *key)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_string) ? json_object_get_string(value) : NULL;
}

int64_t json_member_int(json_object *object, const char *key, int64_t fallback)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_int) ? json_object_get_int64(value) : fallback;
}

bool json_member_bool(json_object *object, const char *key, bool fallback)
{
        json_object *value = json_member(object, key);

        return json_object_is_type(value, json_type_boolean) ? json_object_get_boolean(value)
                                                             : fallback;
}

static const char *kind_name(JsonKind kind)
{
        static const char *const names[] = {
                [JSON_BOOL] = "must be true or false",
                [JSON_INT] = "must be an integer",
                [JSON_UINT32] = "must be an integer from 0 to 4294967295",
                [JSON_STRING] = "must be a string",
                [JSON_OBJECT] = "must be an object",
                [JSON_ARRAY] = "must be an array",
                [JSON_MAP] = "must be an object of strings",
        };
        return names[kind];
}

/* Stores one value; returns false if it is of another type or out of its range. */
static bool store(json_object *value, const JsonField *field, void *target)
{
        void *where = (char *)target + field->offset;
        int64_t number;
        char *copy;

        switch (field->kind) {
        case JSON_BOOL:
                if (!json_object_is_type(value, json_type_boolean))
                        return false;
                *(bool *)where = json_object_get_boolean(value);
                return true;
        case JSON_INT:
        case JSON_UINT32:
                if (!json_object_is_type(value, json_type_int))
                        return false;
                number = json_object_get_int64(value);
                /* beyond int64_t json-c would clamp silently */
                if (json_object_get_uint64(value) > INT64_MAX && number > 0)
                        return false;
                if ((field->min || field->max) && (number < field->min || number > field->max))
                        return false;
                if (field->kind == JSON_INT) {
                        *(int64_t *)where = number;
                } else {
                        if (number < 0 || number > UINT32_MAX)
                                return false;
                        *(uint32_t *)where = (uint32_t)number;
                }
                return true;
        case JSON_STRING:
                if (!json_object_is_type(value, json_type_string))
                        return false;
                copy = strdup(json_object_get_string(value));
                if (!copy)
                        return false;
                free(*(char **)where);
                *(char **)where = copy;
                return true;
        case JSON_OBJECT:
        case JSON_MAP:
                if (!json_object_is_type(value, json_type_object))
                        return false;
                if (field->kind == JSON_MAP) {
                        json_object_object_foreach (value, key, member) {
                                (void)key;
                                if (!json_object_is_type(member, json_type_string))
                                        return false;
                        }
                }
                *(json_object **)where = value;
                return true;
        case JSON_ARRAY:
                if (!json_object_is_type(value, json_type_array))
                        return false;
                *(json_object **)where = value;
                return true;
        }
        return false;
}

static int refuse_field(const char *prefix, const char *name, const char *reason, JsonRefuse refuse,
                        void *userdata)
{
        _cleanup_free_ char *path = NULL;

        if (asprintf(&path, "%s%s%s", prefix, *prefix ? "." : "", name) < 0)
                return -ENOMEM;
        return refuse(userdata, path, reason);
}

int json_dispatch(json_object *object, const JsonField *fields, void *target, const char *prefix,
                  JsonRefuse refuse, void *userdata)
{
        if (!json_object_is_type(object, json_type_object))
                return refuse(userdata, prefix, "must be an object");

        json_object_object_foreach (object, key, ignored) {
                const JsonField *field = fields;

                (void)ignored;
                while (field->name && strcmp(field->name, key) != 0)
                        field++;
                if (!field->name)
                        return refuse_field(prefix, key, "unknown field", refuse, userdata);
        }

        for (const JsonField *field = fields; field->name; field++) {
                json_object *value = json_member(object, field->name);
                char range[96];

                if (!value) {
                        if (field->flags & JSON_REQUIRED)
                                return refuse_field(prefix, field->name, "is missing", refuse,
                                                    userdata);
                        continue;
                }
                if (store(value, field, target))
                        continue;
                if (field->kind <= JSON_UINT32 && (field->min || field->max)) {
                        snprintf(range, sizeof(range),
                                 "must be an integer from %" PRId64 " to %" PRId64, field->min,
                                 field->max);
                        return refuse_field(prefix, field->name, range, refuse, userdata);
                }
                return refuse_field(prefix, field->name, kind_name(field->kind), refuse, userdata);
        }
        return 0;
}
