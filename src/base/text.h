/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Text: UTF-8, escapes, numbers and sizes, hex, base64, formatting. */

#include <stdarg.h>

#include "base/buffer.h"
#include "base/macros.h"

/* Whether `size` bytes are valid UTF-8 (RFC 3629: no surrogates, no overlong forms). */
bool text_is_utf8(const char *s, size_t size);
/* How many bytes from the start are valid UTF-8. */
size_t text_utf8_prefix(const char *s, size_t size);
/* The length of the sequence at s, 1 to 4, and its code point; 0 if it is not valid. */
size_t text_utf8_point(const char *s, size_t size, uint32_t *ret_point);
/* How many bytes a sequence with this first byte has; 1 for a byte that is never the first. */
size_t text_utf8_length(unsigned char first);
/* A copy with each invalid byte replaced by U+FFFD; NULL without memory. */
char *text_make_utf8(const char *s, size_t size);

/*
 * What a terminal does not show as what it is: control characters (C0, DEL, C1), line and paragraph
 * separators, and what changes the order of a text or cannot be seen in it: the marks of the
 * bidirectional algorithm (UAX 9), the soft hyphen, spaces without a width, interlinear marks and
 * tags. The two joiners (U+200C, U+200D) remain text, since Persian, Hindi and emoji are written
 * with them.
 */
bool text_is_control(uint32_t point);
/* Copies s into a buffer of `size` bytes (1 or more), always ended by NUL. Returns whether all of
 * it fitted. */
bool text_copy(char *ret, size_t size, const char *s);
/* Whether s ends in suffix and is longer. */
bool text_has_suffix(const char *s, const char *suffix);
/* A copy with what text_is_control() names as \n, \t, \xNN, \uNNNN or \UNNNNNNNN and with bytes
 * that are not UTF-8 as \xNN, so that it is safe on a terminal. NULL without memory. */
char *text_escape_control(const char *s);
/* The same for a document in JSON: \uNNNN as RFC 8259 has it, so that no data is lost. */
char *text_escape_json(const char *s);

/* Bytes, or with a unit of 1024s: "4G", "512m", "2GiB", "1.5G", "2Ti". Not "GB", which is 10^9
 * elsewhere. A fraction needs a unit, has at most 6 digits and is rounded down to bytes. Returns 0,
 * -EINVAL, or -ERANGE (> INT64_MAX). */
int text_parse_size(const char *s, uint64_t *ret);
/* Seconds, or a sum of whole numbers with the units s, m, h and d, each at most once and from the
 * largest down: "90", "90s", "5m", "1h30m". Returns 0, -EINVAL, or -ERANGE (not in [min, max]). */
int text_parse_seconds(const char *s, uint64_t min, uint64_t max, uint64_t *ret);
/* The shortest exact form: 8589934592 is "8G", 1000 is "1000". `buffer` holds at least 24 bytes. */
const char *text_format_size(uint64_t size, char buffer[static 24]);
/* A decimal number, digits only, from min to max. Returns 0, -EINVAL or -ERANGE. */
int text_parse_uint(const char *s, uint64_t min, uint64_t max, uint64_t *ret);

/* Lowercase hex of `size` bytes, newly allocated. */
char *text_hex(const uint8_t *data, size_t size);
/* Exactly `size` bytes from hex digits of either case. 0 or -EBADMSG. */
int text_unhex(const char *s, uint8_t *ret, size_t size);
/* RFC 4648 base64 with padding; the decoder takes no white space. -EBADMSG for any other text. */
char *text_base64(const void *data, size_t size);
/* The length of that text, and the same into memory with room for it and a NUL. size is at most
 * INT32_MAX / 2. */
size_t text_base64_length(size_t size);
void text_base64_write(const void *data, size_t size, char *to);
int text_unbase64(const char *s, uint8_t **ret, size_t *ret_size);

/* The formatted text, newly allocated. Returns NULL without memory. */
char *text_format(const char *format, ...) _printf_(1, 2);
char *text_format_v(const char *format, va_list ap) _printf_(1, 0);
