/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_scan.h"

#include <ctype.h>
#include <errno.h>
#include <math.h>
#include <string.h>

#include "base/text.h"

typedef struct Scanner {
        const char *data;
        size_t size, at;
        size_t depth;
        char closers[JSON_DEPTH_MAX]; /* of the arrays and objects that are open, outermost first */
        JsonScan *result;
        char *mend;   /* data again, if it is to be mended; else NULL */
        size_t first; /* offset of what was mended first; SIZE_MAX: nothing */
} Scanner;

typedef enum Escape {
        ESCAPE_GOOD,
        ESCAPE_NUL,       /* \u0000 */
        ESCAPE_SURROGATE, /* one half of a surrogate pair, the other half is not there */
        ESCAPE_BAD,       /* not an escape of RFC 8259, section 7 */
} Escape;

static const char ends_early[] = "unexpected end of the text";

static int json_scan_refuse(Scanner *s, size_t at, const char *reason)
{
        s->result->at = at;
        s->result->reason = reason;
        return -EBADMSG;
}

/* The same for what no caller could use; with `mend` it is overwritten by `instead`, which is not
 * longer, and blanks. */
static int unusable(Scanner *s, size_t at, size_t length, const char *instead, const char *reason)
{
        if (!s->mend)
                return json_scan_refuse(s, at, reason);
        memset(s->mend + at, ' ', length);
        memcpy(s->mend + at, instead, strlen(instead));
        if (s->first == SIZE_MAX)
                s->first = at;
        return 0;
}

static bool json_scan_at_end(const Scanner *s)
{
        return s->at == s->size;
}

/* The byte at the cursor, or 0 at the end. */
static char json_scan_peek(const Scanner *s)
{
        return json_scan_at_end(s) ? 0 : s->data[s->at];
}

/* The same after white space. */
static char json_scan_next(Scanner *s)
{
        while (!json_scan_at_end(s) && memchr(" \t\r\n", s->data[s->at], 4))
                s->at++;
        return json_scan_peek(s);
}

/* Refuses the byte at the cursor: the caller has expected something else. */
static int unexpected(Scanner *s, const char *expected)
{
        char c = json_scan_peek(s);

        if (json_scan_at_end(s))
                return json_scan_refuse(s, s->at, ends_early);
        if (c == 0)
                return json_scan_refuse(s, s->at, "a NUL byte");
        if (c == '/' || c == '#')
                return json_scan_refuse(s, s->at, "a comment, which JSON does not allow");
        if (c == '\'')
                return json_scan_refuse(s, s->at, "a single quote; JSON allows only double quotes");
        return json_scan_refuse(s, s->at, expected);
}

static int json_scan_hex_digit(char c)
{
        if (c >= '0' && c <= '9')
                return c - '0';
        if (c >= 'a' && c <= 'f')
                return c - 'a' + 10;
        if (c >= 'A' && c <= 'F')
                return c - 'A' + 10;
        return -1;
}

/* The UTF-16 code unit of a \uXXXX at `at`, or -1 if there is none. */
static long code_unit(const char *data, size_t size, size_t at)
{
        long unit = 0;

        if (size < 6 || at > size - 6 || data[at] != '\\' || data[at + 1] != 'u')
                return -1;
        for (size_t i = at + 2; i < at + 6; i++) {
                int digit = json_scan_hex_digit(data[i]);

                if (digit < 0)
                        return -1;
                unit = unit << 4 | digit;
        }
        return unit;
}

/* What the backslash at the cursor begins, and how many bytes belong to it. */
static Escape look_at_escape(const Scanner *s, size_t *ret_length)
{
        long unit, low;

        *ret_length = 2;
        if (s->size - s->at >= 2 && memchr("\"\\/bfnrt", s->data[s->at + 1], 8))
                return ESCAPE_GOOD;
        unit = code_unit(s->data, s->size, s->at);
        *ret_length = unit < 0 ? 0 : 6;
        if (unit < 0)
                return ESCAPE_BAD;
        if (unit == 0)
                return ESCAPE_NUL;
        if (unit < 0xd800 || unit > 0xdfff)
                return ESCAPE_GOOD;
        low = unit < 0xdc00 ? code_unit(s->data, s->size, s->at + 6) : -1;
        if (low < 0xdc00 || low > 0xdfff)
                return ESCAPE_SURROGATE;
        *ret_length = 12;
        return ESCAPE_GOOD;
}

static int scan_escape(Scanner *s)
{
        size_t length, at = s->at;
        Escape escape = look_at_escape(s, &length);

        s->at += length;
        switch (escape) {
        case ESCAPE_GOOD:
                return 0;
        case ESCAPE_NUL:
                return unusable(s, at, length, "\\ufffd", "a NUL character in a string");
        case ESCAPE_SURROGATE:
                return unusable(s, at, length, "\\ufffd", "an unpaired surrogate in a string");
        case ESCAPE_BAD:
                break;
        }
        return json_scan_refuse(s, at, "an unknown escape in a string");
}

/* The cursor is at the opening quote. */
static int scan_string(Scanner *s)
{
        s->at++;
        while (!json_scan_at_end(s)) {
                unsigned char c = (unsigned char)s->data[s->at];

                if (c == '"') {
                        s->at++;
                        return 0;
                }
                if (c == '\\') {
                        int r = scan_escape(s);

                        if (r < 0)
                                return r;
                        continue;
                }
                if (c < 0x20)
                        return json_scan_refuse(
                                s, s->at, c ? "a control character in a string" : "a NUL byte");
                s->at++;
        }
        return json_scan_refuse(s, s->at, ends_early);
}

/* One digit or more. */
static int scan_digits(Scanner *s)
{
        if (!isdigit((unsigned char)json_scan_peek(s)))
                return json_scan_at_end(s)
                               ? json_scan_refuse(s, s->at, ends_early)
                               : json_scan_refuse(s, s->at, "a number with a missing digit");
        while (isdigit((unsigned char)json_scan_peek(s)))
                s->at++;
        return 0;
}

/* The number up to the cursor must fit the type in which json-c stores it. */
static int check_range(Scanner *s, size_t start, bool is_integer)
{
        size_t length = s->at - start;
        _uninitialized_ char text[JSON_NUMBER_MAX + 1];
        bool fits;

        if (length > JSON_NUMBER_MAX)
                return unusable(s, start, length, "0", "a number that is too long");
        memcpy(text, s->data + start, length);
        text[length] = 0;
        errno = 0;
        if (!is_integer) {
                fits = isfinite(strtod(text, NULL));
        } else {
                (void)(text[0] == '-' ? (unsigned long long)strtoll(text, NULL, 10)
                                      : strtoull(text, NULL, 10));
                fits = errno == 0;
        }
        if (fits)
                return 0;
        return unusable(s, start, length, "0",
                        is_integer ? "an integer beyond 64 bits"
                                   : "a number beyond the range of a double");
}

/* RFC 8259, section 6. */
static int scan_number(Scanner *s)
{
        size_t start = s->at;
        bool is_integer = true;
        int r;

        if (json_scan_peek(s) == '-')
                s->at++;
        if (json_scan_peek(s) == '0' && s->at + 1 < s->size &&
            isdigit((unsigned char)s->data[s->at + 1]))
                return json_scan_refuse(s, start, "a number with a leading zero");
        r = scan_digits(s);
        if (r == 0 && json_scan_peek(s) == '.') {
                is_integer = false;
                s->at++;
                r = scan_digits(s);
        }
        if (r == 0 && (json_scan_peek(s) == 'e' || json_scan_peek(s) == 'E')) {
                is_integer = false;
                s->at++;
                if (json_scan_peek(s) == '+' || json_scan_peek(s) == '-')
                        s->at++;
                r = scan_digits(s);
        }
        return r < 0 ? r : check_range(s, start, is_integer);
}

static int scan_literal(Scanner *s)
{
        static const char *const literals[] = {"true", "false", "null"};

        for (size_t i = 0; i < ARRAY_SIZE(literals); i++) {
                size_t length = strlen(literals[i]);

                if (s->size - s->at < length || memcmp(s->data + s->at, literals[i], length) != 0)
                        continue;
                s->at += length;
                return 0;
        }
        return unexpected(s, "expected a value");
}

static int open_level(Scanner *s, char closer)
{
        if (s->depth == JSON_DEPTH_MAX)
                return json_scan_refuse(s, s->at, "arrays and objects nested too deep");
        s->closers[s->depth++] = closer;
        s->at++;
        return 0;
}

/* A value up to its end or, of an array or object, past its opening bracket. */
static int scan_value(Scanner *s)
{
        char c = json_scan_next(s);

        s->result->values++;
        if (c == '{' || c == '[')
                return open_level(s, c == '{' ? '}' : ']');
        if (c == '"')
                return scan_string(s);
        if (c == '-' || isdigit((unsigned char)c))
                return scan_number(s);
        return scan_literal(s);
}

static char closer(const Scanner *s)
{
        return s->closers[s->depth - 1];
}

/* What stands before a value inside of an array (nothing) or an object (its name). */
static int scan_name(Scanner *s)
{
        int r;

        if (closer(s) == ']')
                return 0;
        if (json_scan_next(s) != '"')
                return unexpected(s, "expected a member's name in double quotes");
        r = scan_string(s);
        if (r < 0)
                return r;
        if (json_scan_next(s) != ':')
                return unexpected(s, "':' expected");
        s->at++;
        return 0;
}

/* After a value: the ends of arrays and objects, then a comma and what stands before the next
 * value. Returns 1 if another value follows, 0 at the end of the text. */
static int scan_after(Scanner *s)
{
        while (s->depth > 0) {
                char c = json_scan_next(s);

                if (c == ',') {
                        s->at++;
                        if (json_scan_next(s) == closer(s))
                                return json_scan_refuse(s, s->at, "a comma before the end");
                        return scan_name(s) < 0 ? -EBADMSG : 1;
                }
                if (c != closer(s))
                        return unexpected(s, closer(s) == '}' ? "',' or '}' expected"
                                                              : "',' or ']' expected");
                s->at++;
                s->depth--;
        }
        json_scan_next(s);
        return json_scan_at_end(s) ? 0 : unexpected(s, "unexpected text after the value");
}

static int scan_all(Scanner *s)
{
        int r = 1;

        while (r > 0) {
                size_t depth = s->depth;

                r = scan_value(s);
                if (r < 0)
                        return r;
                if (s->depth > depth && json_scan_next(s) != closer(s))
                        r = scan_name(s) < 0 ? -EBADMSG : 1;
                else
                        r = scan_after(s);
        }
        return r;
}

static int scan(Scanner *s)
{
        static const char mark[] = "\xef\xbb\xbf";
        size_t valid = text_utf8_prefix(s->data, s->size);

        *s->result = (JsonScan){};
        if (valid < s->size)
                return json_scan_refuse(s, valid, "text that is not UTF-8");
        if (s->size >= strlen(mark) && memcmp(s->data, mark, strlen(mark)) == 0)
                return json_scan_refuse(s, 0, "a byte order mark, which is not allowed");
        return scan_all(s);
}

int json_scan(const char *data, size_t size, JsonScan *ret)
{
        return scan(&(Scanner){.data = data, .size = size, .result = ret});
}

int json_scan_mend(char *data, size_t size, size_t *ret_first)
{
        JsonScan result;
        Scanner s = {
                .data = data, .size = size, .result = &result, .mend = data, .first = SIZE_MAX};
        int r = scan(&s);

        if (r == 0)
                *ret_first = s.first;
        return r;
}
