/* SPDX-License-Identifier: Apache-2.0 */
#include "base/text.h"

#include <assert.h>

#include <inttypes.h>
#include <openssl/evp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

size_t text_utf8_length(unsigned char first)
{
        if (first >= 0xc2 && first <= 0xdf)
                return 2;
        if (first >= 0xe0 && first <= 0xef)
                return 3;
        return first >= 0xf0 && first <= 0xf4 ? 4 : 1;
}

size_t text_utf8_point(const char *s, size_t size, uint32_t *ret_point)
{
        static const uint8_t masks[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
        const uint8_t *bytes = (const uint8_t *)s;
        size_t n = size ? text_utf8_length(bytes[0]) : 0;
        uint32_t point;

        if (n == 0 || size < n || (n == 1 && bytes[0] >= 0x80))
                return 0;
        point = bytes[0] & masks[n];
        for (size_t i = 1; i < n; i++) {
                if ((bytes[i] & 0xc0) != 0x80)
                        return 0;
                point = point << 6 | (bytes[i] & 0x3f);
        }
        if ((n == 3 && point < 0x800) || (n == 4 && (point < 0x10000 || point > 0x10ffff)) ||
            (point >= 0xd800 && point <= 0xdfff))
                return 0;
        *ret_point = point;
        return n;
}

size_t text_utf8_prefix(const char *s, size_t size)
{
        size_t i = 0;
        uint32_t point;

        for (size_t n; i < size; i += n) {
                n = 1;
                if ((unsigned char)s[i] < 0x80)
                        continue;
                n = text_utf8_point(s + i, size - i, &point);
                if (n == 0)
                        break;
        }
        return i;
}

bool text_is_utf8(const char *s, size_t size)
{
        return text_utf8_prefix(s, size) == size;
}

char *text_make_utf8(const char *s, size_t size)
{
        char *copy = malloc(size * 3 + 1), *out = copy;
        uint32_t point;

        if (!copy)
                return NULL;
        for (size_t i = 0; i < size;) {
                size_t n;

                if ((unsigned char)s[i] < 0x80) {
                        *out++ = s[i++];
                        continue;
                }
                n = text_utf8_point(s + i, size - i, &point);
                if (n == 0) {
                        out = mempcpy(out, "\xef\xbf\xbd", 3);
                        i++;
                } else {
                        out = mempcpy(out, s + i, n);
                        i += n;
                }
        }
        *out = 0;
        return copy;
}

bool text_is_control(uint32_t point)
{
        static const struct {
                uint32_t first, last;
        } ranges[] = {
                {0x0, 0x1f},        /* C0 */
                {0x7f, 0x9f},       /* DEL, C1 */
                {0xad, 0xad},       /* soft hyphen */
                {0x61c, 0x61c},     /* Arabic letter mark */
                {0x180e, 0x180e},   /* Mongolian vowel separator */
                {0x200b, 0x200b},   /* zero width space */
                {0x200e, 0x200f},   /* marks of direction */
                {0x2028, 0x202e},   /* line, paragraph; embeddings and overrides of direction */
                {0x2060, 0x206f},   /* word joiner, invisible operators, isolates of direction */
                {0xfeff, 0xfeff},   /* byte order mark */
                {0xfff9, 0xfffb},   /* interlinear annotation */
                {0xe0000, 0xe007f}, /* tags */
        };

        for (size_t i = 0; i < ARRAY_SIZE(ranges); i++)
                if (point >= ranges[i].first && point <= ranges[i].last)
                        return true;
        return false;
}

static char *write_control(char *out, uint32_t point)
{
        if (point == '\n')
                return mempcpy(out, "\\n", 2);
        if (point == '\t')
                return mempcpy(out, "\\t", 2);
        if (point <= 0x9f)
                return out + sprintf(out, "\\x%02" PRIx32, point);
        return out + sprintf(out, point <= 0xffff ? "\\u%04" PRIx32 : "\\U%08" PRIx32, point);
}

static char *write_json(char *out, uint32_t point)
{
        if (point <= 0xffff)
                return out + sprintf(out, "\\u%04" PRIx32, point);
        point -= 0x10000;
        return out + sprintf(out, "\\u%04" PRIx32 "\\u%04" PRIx32, 0xd800 | point >> 10,
                             0xdc00 | (point & 0x3ff));
}

bool text_copy(char *ret, size_t size, const char *s)
{
        size_t length = strnlen(s, size), n = length < size ? length : size - 1;

        memcpy(ret, s, n);
        ret[n] = 0;
        return n == length;
}

bool text_has_suffix(const char *s, const char *suffix)
{
        size_t length = strlen(s), n = strlen(suffix);

        return length > n && strcmp(s + length - n, suffix) == 0;
}

/* Writes a character, the n bytes at s, or the byte there if n is 0: it is not UTF-8. Returns where
 * the next one goes. It takes at most four bytes for each of s. */
typedef char *(*TextWrite)(char *out, const char *s, size_t n, uint32_t point);

static char *text_write_control(char *out, const char *s, size_t n, uint32_t point)
{
        if (n == 0)
                return out + sprintf(out, "\\x%02x", (unsigned char)*s);
        return text_is_control(point) ? write_control(out, point) : mempcpy(out, s, n);
}

static char *text_write_json(char *out, const char *s, size_t n, uint32_t point)
{
        if (n != 0 && point >= 0x7f && text_is_control(point))
                return write_json(out, point);
        return mempcpy(out, s, n ?: 1);
}

static char *text_escape(const char *s, TextWrite write)
{
        size_t size = strlen(s);
        char *copy = malloc(size * 4 + 1), *out = copy;

        if (!copy)
                return NULL;
        for (size_t i = 0, n; i < size; i += n ?: 1) {
                uint32_t point = 0;

                n = text_utf8_point(s + i, size - i, &point);
                out = write(out, s + i, n, point);
        }
        *out = 0;
        return copy;
}

char *text_escape_control(const char *s)
{
        return text_escape(s, text_write_control);
}

char *text_escape_json(const char *s)
{
        return text_escape(s, text_write_json);
}

int text_parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
        uint64_t value = 0;

        if (!*s)
                return -EINVAL;
        for (; *s; s++) {
                if (*s < '0' || *s > '9')
                        return -EINVAL;
                if (__builtin_mul_overflow(value, 10, &value) ||
                    __builtin_add_overflow(value, (uint64_t)(*s - '0'), &value))
                        return -ERANGE;
        }
        if (value < min || value > max)
                return -ERANGE;
        *ret = value;
        return 0;
}

#define FRACTION_DIGITS_MAX 6 /* 10^6 units of 2^40 fit into 64 bits */

/* The bits of a unit of sizes, "K", "ki", "KiB" and so on, or -1. */
static int text_size_bits(const char *unit)
{
        static const char letters[] = "kKmMgGtT";
        const char *letter = strchr(letters, *unit);

        if (!*unit || !letter ||
            (unit[1] && strcmp(unit + 1, "i") != 0 && strcmp(unit + 1, "iB") != 0))
                return -1;
        return 10 * (int)((letter - letters) / 2 + 1);
}

/* The digits in [s, end) as a number. */
static int text_parse_digits(const char *s, const char *end, uint64_t max, uint64_t *ret)
{
        _cleanup_free_ char *digits = strndup(s, (size_t)(end - s));

        return digits ? text_parse_uint(digits, 0, max, ret) : -ENOMEM;
}

int text_parse_size(const char *s, uint64_t *ret)
{
        const char *point = s + strspn(s, "0123456789"), *unit = point;
        uint64_t value, fraction = 0, scale = 1;
        int bits = 0, r;

        r = text_parse_digits(s, point, INT64_MAX, &value);
        if (r == 0 && *point == '.') {
                unit = point + 1 + strspn(point + 1, "0123456789");
                for (const char *p = point + 1; p < unit && scale < 10000000; p++)
                        scale *= 10;
                if (unit - point - 1 > FRACTION_DIGITS_MAX || !*unit)
                        return -EINVAL;
                r = text_parse_digits(point + 1, unit, UINT32_MAX, &fraction);
        }
        if (r == 0 && *unit && (bits = text_size_bits(unit)) < 0)
                return -EINVAL;
        if (r < 0)
                return r;
        if (__builtin_mul_overflow(value, UINT64_C(1) << bits, &value) ||
            __builtin_add_overflow(value, (fraction << bits) / scale, &value) || value > INT64_MAX)
                return -ERANGE;
        *ret = value;
        return 0;
}

int text_parse_seconds(const char *s, uint64_t min, uint64_t max, uint64_t *ret)
{
        static const struct {
                char unit;
                uint64_t seconds;
        } units[] = {{'d', 86400}, {'h', 3600}, {'m', 60}, {'s', 1}};
        uint64_t sum = 0, value;
        size_t next = 0;

        if (!*s || s[strspn(s, "0123456789")] == 0) /* seconds without a unit */
                return text_parse_uint(s, min, max, ret);
        while (*s) {
                const char *end = s + strspn(s, "0123456789");
                int r = text_parse_digits(s, end, INT64_MAX, &value);

                if (r < 0)
                        return r;
                while (next < ARRAY_SIZE(units) && units[next].unit != *end)
                        next++;
                if (next == ARRAY_SIZE(units))
                        return -EINVAL;
                if (__builtin_mul_overflow(value, units[next++].seconds, &value) ||
                    __builtin_add_overflow(sum, value, &sum))
                        return -ERANGE;
                s = end + 1;
        }
        if (sum < min || sum > max)
                return -ERANGE;
        *ret = sum;
        return 0;
}

const char *text_format_size(uint64_t size, char buffer[static 24])
{
        static const char suffixes[] = "\0KMGT";
        unsigned i = 0;

        while (size && size % 1024 == 0 && i < 4) {
                size /= 1024;
                i++;
        }
        snprintf(buffer, 24, "%" PRIu64 "%.1s", size, suffixes + i);
        return buffer;
}

char *text_hex(const uint8_t *data, size_t size)
{
        static const char digits[] = "0123456789abcdef";
        char *s = malloc(size * 2 + 1);

        if (!s)
                return NULL;
        for (size_t i = 0; i < size; i++) {
                s[2 * i] = digits[data[i] >> 4];
                s[2 * i + 1] = digits[data[i] & 15];
        }
        s[size * 2] = 0;
        return s;
}

static int text_hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        c |= 0x20;
        return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

int text_unhex(const char *s, uint8_t *ret, size_t size)
{
        if (strlen(s) != 2 * size)
                return -EBADMSG;
        for (size_t i = 0; i < size; i++) {
                int high = text_hex_digit(s[2 * i]), low = text_hex_digit(s[2 * i + 1]);

                if (high < 0 || low < 0)
                        return -EBADMSG;
                ret[i] = (uint8_t)(high << 4 | low);
        }
        return 0;
}

size_t text_base64_length(size_t size)
{
        return (size + 2) / 3 * 4;
}

void text_base64_write(const void *data, size_t size, char *to)
{
        assert(size <= INT32_MAX / 2);
        EVP_EncodeBlock((unsigned char *)to, data, (int)size);
}

char *text_base64(const void *data, size_t size)
{
        char *s;

        if (size > INT32_MAX / 2)
                return NULL;
        s = malloc(text_base64_length(size) + 1);
        if (s)
                text_base64_write(data, size, s);
        return s;
}

int text_unbase64(const char *s, uint8_t **ret, size_t *ret_size)
{
        static const char alphabet[] =
                "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
        size_t length = strlen(s), pad = 0, size;
        uint8_t *data;

        if (length % 4 || length > INT32_MAX / 2)
                return -EBADMSG;
        while (pad < 2 && pad < length && s[length - 1 - pad] == '=')
                pad++;
        if (strspn(s, alphabet) != length - pad)
                return -EBADMSG;
        size = length / 4 * 3;
        data = malloc(size + 1);
        if (!data)
                return -ENOMEM;
        if (length && EVP_DecodeBlock(data, (const unsigned char *)s, (int)length) < 0) {
                free(data);
                return -EBADMSG;
        }
        *ret_size = size - pad;
        data[*ret_size] = 0;
        *ret = data;
        return 0;
}

char *text_format_v(const char *format, va_list ap)
{
        char *s;

        return vasprintf(&s, format, ap) < 0 ? NULL : s;
}

char *text_format(const char *format, ...)
{
        va_list ap;
        char *s;

        va_start(ap, format);
        s = text_format_v(format, ap);
        va_end(ap);
        return s;
}
