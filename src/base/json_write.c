/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_write.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

/* Room for `size` bytes at the end, which json_write_up_to() makes part of the text; NULL without
 * memory. */
static char *json_write_room(JsonWriter *writer, size_t size)
{
        if (buffer_reserve(&writer->text, size) < 0) {
                writer->failed = true;
                return NULL;
        }
        return writer->text.data + writer->text.size;
}

static void json_write_up_to(JsonWriter *writer, char *end)
{
        *end = 0;
        writer->text.size = (size_t)(end - writer->text.data);
}

/* Writes what stands before a value, and leaves room for `size` bytes of that: returns where, or
 * NULL. The caller ends with json_write_up_to(). */
static char *json_write_key(JsonWriter *writer, const char *key, size_t size)
{
        size_t length = key ? strlen(key) : 0;
        char *begin = json_write_room(writer, length + 4 + size), *p = begin;

        assert(length <= JSON_WRITE_KEY_MAX);
        if (!p)
                return NULL;
        if (writer->text.size > 0 && p[-1] != '{' && p[-1] != '[')
                *p++ = ',';
        if (key) {
                *p++ = '"';
                p = mempcpy(p, key, length);
                *p++ = '"';
                *p++ = ':';
        }
        return p;
}

/* A value that is written as it is. */
static void json_write_value(JsonWriter *writer, const char *key, const char *text, size_t size)
{
        char *p = json_write_key(writer, key, size);

        if (p)
                json_write_up_to(writer, mempcpy(p, text, size));
}

void json_write_reserve(JsonWriter *writer, size_t size)
{
        (void)json_write_room(writer, size);
}

void json_write_begin(JsonWriter *writer, const char *key, char open)
{
        json_write_value(writer, key, &open, 1);
}

void json_write_end(JsonWriter *writer, char close)
{
        char *p = json_write_room(writer, 1);

        if (!p)
                return;
        *p++ = close;
        json_write_up_to(writer, p);
}

/* A character that may not stand in a string as it is (RFC 8259, section 7). */
static char *json_write_escaped(char *p, unsigned char c)
{
        static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt", digits[] = "0123456789abcdef";

        *p++ = '\\';
        for (const char *name = named; *name; name += 2)
                if ((unsigned char)*name == c) {
                        *p++ = name[1];
                        return p;
                }
        p = mempcpy(p, "u00", 3);
        *p++ = digits[c >> 4];
        *p++ = digits[c & 15];
        return p;
}

#define ESCAPED 1u
#define NOT_ASCII 2u

/* Most text is neither, which is seen by one look at each byte. */
static const uint8_t kinds[256] = {
        [0 ... 0x1f] = ESCAPED,
        ['"'] = ESCAPED,
        ['\\'] = ESCAPED,
        [0x80 ... 0xff] = NOT_ASCII,
};

static bool is_escaped(char c)
{
        return kinds[(unsigned char)c] == ESCAPED;
}

void json_write_text(JsonWriter *writer, const char *key, const char *value)
{
        _cleanup_free_ char *valid = NULL;
        size_t size = 0, escapes = 0;
        unsigned all = 0;
        char *p;

        if (!value)
                return;
        for (; value[size]; size++)
                all |= kinds[(unsigned char)value[size]];
        if (all & NOT_ASCII) {
                valid = text_make_utf8(value, size);
                writer->failed |= !valid;
                value = valid ?: "";
                size = strlen(value);
        }
        for (size_t i = 0; all & ESCAPED && i < size; i++)
                escapes += is_escaped(value[i]);
        p = json_write_key(writer, key, size + 5 * escapes + 2);
        if (!p)
                return;
        *p++ = '"';
        if (!escapes)
                p = mempcpy(p, value, size);
        else
                for (size_t i = 0; i < size; i++)
                        if (is_escaped(value[i]))
                                p = json_write_escaped(p, (unsigned char)value[i]);
                        else
                                *p++ = value[i];
        *p++ = '"';
        json_write_up_to(writer, p);
}

void json_write_int(JsonWriter *writer, const char *key, int64_t value)
{
        char digits[20], *p = digits + sizeof(digits);
        uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;

        do
                *--p = (char)('0' + rest % 10);
        while (rest /= 10);
        if (value < 0)
                *--p = '-';
        json_write_value(writer, key, p, (size_t)(digits + sizeof(digits) - p));
}

void json_write_bool(JsonWriter *writer, const char *key, bool value)
{
        if (value)
                json_write_value(writer, key, "true", strlen("true"));
        else
                json_write_value(writer, key, "false", strlen("false"));
}

void json_write_tree(JsonWriter *writer, const char *key, json_object *value)
{
        const char *text = value ? json_text(value) : NULL;

        if (text)
                json_write_value(writer, key, text, strlen(text));
        else if (value)
                writer->failed = true;
}

static void json_writer_done(JsonWriter *writer)
{
        buffer_done(&writer->text);
        *writer = (JsonWriter){};
}

char *json_writer_take(JsonWriter *writer)
{
        char *text = writer->failed ? NULL : buffer_take(&writer->text);

        json_writer_done(writer);
        return text;
}

json_object *json_writer_to_object(JsonWriter *writer)
{
        char *text = json_writer_take(writer);
        json_object *object = text ? json_object_new_object() : NULL;

        if (object)
                json_object_set_serializer(object, json_object_userdata_to_json_string, text,
                                           json_object_free_userdata);
        else
                free(text);
        return object;
}
