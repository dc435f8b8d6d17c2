/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_write.h"

#include <assert.h>
#include <string.h>

#include "base/text.h"

static void json_write_bytes(JsonWriter *writer, const void *data, size_t size)
{
        if (buffer_append(&writer->text, data, size) < 0)
                writer->failed = true;
}

/* What stands before a value. */
static void json_write_key(JsonWriter *writer, const char *key)
{
        const Buffer *text = &writer->text;
        char bytes[JSON_WRITE_KEY_MAX + 4], *p = bytes;
        size_t size = key ? strlen(key) : 0;

        assert(size <= JSON_WRITE_KEY_MAX);
        if (text->size > 0 && text->data[text->size - 1] != '{' &&
            text->data[text->size - 1] != '[')
                *p++ = ',';
        if (key) {
                *p++ = '"';
                p = mempcpy(p, key, size);
                *p++ = '"';
                *p++ = ':';
        }
        json_write_bytes(writer, bytes, (size_t)(p - bytes));
}

void json_write_begin(JsonWriter *writer, const char *key, char open)
{
        json_write_key(writer, key);
        json_write_bytes(writer, &open, 1);
}

void json_write_end(JsonWriter *writer, char close)
{
        json_write_bytes(writer, &close, 1);
}

/* A character that may not stand in a string as it is (RFC 8259, section 7). */
static void json_write_escaped(JsonWriter *writer, unsigned char c)
{
        static const char named[] = "\"\"\\\\\bb\ff\nn\rr\tt", digits[] = "0123456789abcdef";
        char escape[6] = {'\\', 'u', '0', '0', digits[c >> 4], digits[c & 15]};

        for (const char *p = named; *p; p += 2)
                if ((unsigned char)*p == c) {
                        escape[1] = p[1];
                        json_write_bytes(writer, escape, 2);
                        return;
                }
        json_write_bytes(writer, escape, sizeof(escape));
}

static void json_write_string(JsonWriter *writer, const char *s)
{
        json_write_bytes(writer, "\"", 1);
        while (*s) {
                size_t n = 0;

                while ((unsigned char)s[n] >= 0x20 && s[n] != '"' && s[n] != '\\')
                        n++;
                json_write_bytes(writer, s, n);
                s += n;
                if (*s)
                        json_write_escaped(writer, (unsigned char)*s++);
        }
        json_write_bytes(writer, "\"", 1);
}

void json_write_text(JsonWriter *writer, const char *key, const char *value)
{
        _cleanup_free_ char *valid = NULL;
        const char *p = value;

        if (!value)
                return;
        while (*p && (unsigned char)*p < 0x80)
                p++;
        if (*p) {
                valid = text_make_utf8(value, strlen(value));
                if (!valid)
                        writer->failed = true;
        }
        json_write_key(writer, key);
        json_write_string(writer, valid ?: (*p ? "" : value));
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
        json_write_key(writer, key);
        json_write_bytes(writer, p, (size_t)(digits + sizeof(digits) - p));
}

void json_write_bool(JsonWriter *writer, const char *key, bool value)
{
        const char *text = value ? "true" : "false";

        json_write_key(writer, key);
        json_write_bytes(writer, text, strlen(text));
}

void json_write_tree(JsonWriter *writer, const char *key, json_object *value)
{
        const char *text = value ? json_text(value) : NULL;

        if (!value)
                return;
        json_write_key(writer, key);
        if (text)
                json_write_bytes(writer, text, strlen(text));
        else
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
