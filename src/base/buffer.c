/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buffer.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define CLEAR_LARGE 131072u /* bytes that are not cleared by writing to them */

/* Clears what may have held a secret. Of a large area the whole pages go back to the kernel, which
 * has zeros in their place: a growing buffer is up to half of pages that nothing was written to,
 * and clearing those would first make them. */
static void clear(char *data, size_t size)
{
        uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = (uintptr_t)data;
        uintptr_t from = (begin + page - 1) & ~(page - 1), to = (begin + size) & ~(page - 1);

        if (size < CLEAR_LARGE || madvise((void *)from, to - from, MADV_DONTNEED) < 0) {
                explicit_bzero(data, size);
                return;
        }
        explicit_bzero(data, from - begin);
        explicit_bzero((char *)to, begin + size - to);
}

static void clear_free(char *data, size_t size)
{
        if (data)
                clear(data, size);
        free(data);
}

void buffer_done(Buffer *buffer)
{
        clear_free(buffer->data, buffer->allocated);
        *buffer = (Buffer){};
}

char *buffer_make(Buffer *ret, size_t size)
{
        char *data = size < SIZE_MAX ? malloc(size + 1) : NULL;

        if (!data)
                return NULL;
        data[size] = 0;
        *ret = (Buffer){.data = data, .size = size, .allocated = size + 1};
        return data;
}

static int buffer_grow(Buffer *buffer, size_t needed)
{
        size_t allocated = buffer->allocated ?: 64;
        char *grown;

        while (allocated < needed + 1)
                if (__builtin_mul_overflow(allocated, 2, &allocated))
                        return -ENOMEM;
        grown = malloc(allocated); /* not realloc(): it would leave a copy */
        if (!grown)
                return -ENOMEM;
        if (buffer->size)
                memcpy(grown, buffer->data, buffer->size);
        clear_free(buffer->data, buffer->allocated);
        grown[buffer->size] = 0;
        buffer->data = grown;
        buffer->allocated = allocated;
        return 0;
}

int buffer_reserve(Buffer *buffer, size_t size)
{
        size_t needed;

        if (__builtin_add_overflow(buffer->size, size, &needed) || needed == SIZE_MAX)
                return -ENOMEM;
        return needed < buffer->allocated ? 0 : buffer_grow(buffer, needed);
}

int buffer_append(Buffer *buffer, const void *data, size_t size)
{
        int r = buffer_reserve(buffer, size);

        if (r < 0)
                return r;
        if (size)
                memcpy(buffer->data + buffer->size, data, size);
        buffer->size += size;
        buffer->data[buffer->size] = 0;
        return 0;
}

int buffer_append_text(Buffer *buffer, const char *s)
{
        return buffer_append(buffer, s, strlen(s));
}

int buffer_appendf(Buffer *buffer, const char *format, ...)
{
        _cleanup_free_ char *s = NULL;
        va_list ap;
        int n;

        va_start(ap, format);
        n = vasprintf(&s, format, ap); /* %c may write a NUL: hence not text_format() */
        va_end(ap);
        return n < 0 ? -ENOMEM : buffer_append(buffer, s, (size_t)n);
}

void buffer_consume(Buffer *buffer, size_t size)
{
        if (size == 0)
                return;
        memmove(buffer->data, buffer->data + size, buffer->size - size + 1);
        buffer->size -= size;
        clear(buffer->data + buffer->size + 1, size);
}

char *buffer_take(Buffer *buffer)
{
        Buffer taken = TAKE_STRUCT(*buffer);

        return taken.data ?: strdup("");
}

int buffer_append_last(Buffer *buffer, const void *data, size_t size, size_t most)
{
        size_t left_out = size > most ? size - most : 0;
        int r = buffer_append(buffer, (const char *)data + left_out, size - left_out);

        if (r == 0 && buffer->size > most)
                buffer_consume(buffer, buffer->size - most);
        return r;
}

const char *buffer_trim_end(Buffer *buffer)
{
        while (buffer->size && strchr(" \r\n", buffer->data[buffer->size - 1]))
                buffer->data[--buffer->size] = 0;
        return buffer->data ?: "";
}
