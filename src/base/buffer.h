/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A growing buffer of bytes that always ends in a NUL, which its size does not count.
 *
 * A failed append leaves the buffer as it was. Secrets pass through many buffers: one that grows,
 * shrinks or ends overwrites the bytes in the memory that it gives up.
 */

#include "base/macros.h"

typedef struct Buffer {
        char *data; /* owned; NULL while empty */
        size_t size, allocated;
} Buffer;

void buffer_done(Buffer *buffer);
/* Makes a buffer of exactly `size` bytes, which the caller fills. Returns them, or NULL without
 * memory. */
char *buffer_make(Buffer *ret, size_t size);
/* Makes room for `size` more bytes and a NUL; the text stays as it is. Returns 0 or -ENOMEM. */
int buffer_reserve(Buffer *buffer, size_t size) _warn_unused_;
/* Each appends, and returns 0 or -ENOMEM. */
int buffer_append(Buffer *buffer, const void *data, size_t size) _warn_unused_;
int buffer_append_text(Buffer *buffer, const char *s) _warn_unused_;
int buffer_appendf(Buffer *buffer, const char *format, ...) _printf_(2, 3) _warn_unused_;
/* Appends, and keeps only the last `most` bytes of all. Returns 0 or -ENOMEM. */
int buffer_append_last(Buffer *buffer, const void *data, size_t size, size_t most);
/* Removes spaces and line ends from the end. Returns the text, "" if it is empty; borrowed until
 * the buffer changes. */
const char *buffer_trim_end(Buffer *buffer);
/* Removes `size` bytes from the front; the buffer must have as many. */
void buffer_consume(Buffer *buffer, size_t size);
/* Empties the buffer. Returns its text, newly owned by the caller: "" if it was empty, NULL without
 * memory for that. */
char *buffer_take(Buffer *buffer);
