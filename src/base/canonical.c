/* SPDX-License-Identifier: Apache-2.0 */
#include "base/canonical.h"

#include <string.h>

#include "base/json.h"

typedef struct Member {
        const char *name; /* borrowed */
        json_object *value;
} Member;

/* RFC 8785, section 3.2.2.2. */
static int write_string(const char *s, size_t size, Buffer *ret)
{
        static const char shorts[] = "btn\0fr"; /* of 0x08 to 0x0d */
        size_t from = 0;
        int r;

        if (!text_is_utf8(s, size))
                return -EBADMSG;
        r = buffer_append_text(ret, "\"");
        for (size_t i = 0; r == 0 && i < size; i++) {
                unsigned char c = (unsigned char)s[i];

                if (c >= 0x20 && c != '"' && c != '\\')
                        continue;
                r = buffer_append(ret, s + from, i - from);
                from = i + 1;
                if (r < 0)
                        break;
                if (c >= 0x20)
                        r = buffer_appendf(ret, "\\%c", c);
                else if (c >= 0x08 && c <= 0x0d && shorts[c - 0x08])
                        r = buffer_appendf(ret, "\\%c", shorts[c - 0x08]);
                else
                        r = buffer_appendf(ret, "\\u%04x", c);
        }
        if (r == 0)
                r = buffer_append(ret, s + from, size - from);
        return r < 0 ? r : buffer_append_text(ret, "\"");
}

/* Where a byte that begins a character, or one within, stands in the order of UTF-16: characters
 * beyond U+FFFF (0xf0 to 0xf4) are surrogates there, before U+E000 (0xee). */
static unsigned rank(unsigned char byte)
{
        return byte >= 0xf0 ? 0xedu * 8 + (byte - 0xefu) : byte * 8u;
}

static int compare_members(const void *a, const void *b)
{
        const unsigned char *x = (const unsigned char *)((const Member *)a)->name;
        const unsigned char *y = (const unsigned char *)((const Member *)b)->name;

        while (*x && *x == *y)
                x++, y++;
        return rank(*x) < rank(*y) ? -1 : rank(*x) > rank(*y);
}

static int canonical_write_value(json_object *value, unsigned depth, Buffer *ret);

static int write_members(const Member *members, size_t n, unsigned depth, Buffer *ret)
{
        int r = buffer_append_text(ret, "{");

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (i > 0)
                        r = buffer_append_text(ret, ",");
                if (r == 0)
                        r = write_string(members[i].name, strlen(members[i].name), ret);
                if (r == 0)
                        r = buffer_append_text(ret, ":");
                if (r == 0)
                        r = canonical_write_value(members[i].value, depth, ret);
        }
        return r < 0 ? r : buffer_append_text(ret, "}");
}

static int write_object(json_object *object, unsigned depth, Buffer *ret)
{
        size_t n = (size_t)json_object_object_length(object), i = 0;
        _cleanup_free_ Member *members = calloc(n + 1, sizeof(*members));

        if (!members)
                return -ENOMEM;
        json_object_object_foreach (object, name, value) {
                members[i++] = (Member){name, value};
        }
        qsort(members, n, sizeof(*members), compare_members);
        return write_members(members, n, depth, ret);
}

static int write_array(json_object *array, unsigned depth, Buffer *ret)
{
        size_t n = json_object_array_length(array);
        int r = buffer_append_text(ret, "[");

        for (size_t i = 0; r == 0 && i < n; i++) {
                if (i > 0)
                        r = buffer_append_text(ret, ",");
                if (r == 0)
                        r = canonical_write_value(json_object_array_get_idx(array, i), depth, ret);
        }
        return r < 0 ? r : buffer_append_text(ret, "]");
}

static int write_integer(json_object *value, Buffer *ret)
{
        int64_t number = json_object_get_int64(value); /* clamped, and out of range then, too */

        if (number > CANONICAL_INTEGER_MAX || number < -CANONICAL_INTEGER_MAX)
                return -ERANGE;
        return buffer_appendf(ret, "%" PRId64, number);
}

static int canonical_write_value(json_object *value, unsigned depth, Buffer *ret)
{
        if (depth > JSON_DEPTH_MAX)
                return -EBADMSG;
        switch (json_object_get_type(value)) {
        case json_type_null:
                return buffer_append_text(ret, "null");
        case json_type_boolean:
                return buffer_append_text(ret, json_object_get_boolean(value) ? "true" : "false");
        case json_type_int:
                return write_integer(value, ret);
        case json_type_string:
                return write_string(json_object_get_string(value),
                                    (size_t)json_object_get_string_len(value), ret);
        case json_type_array:
                return write_array(value, depth + 1, ret);
        case json_type_object:
                return write_object(value, depth + 1, ret);
        default:
                return -ERANGE;
        }
}

int canonical_write(json_object *value, Buffer *ret)
{
        return canonical_write_value(value, 0, ret);
}
