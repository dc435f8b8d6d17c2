/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/cbor.h"

#include <cbor.h>
#include <string.h>

#define HEAD_MAX 9 /* bytes of an item's head: a type, and a number of 64 bits */

void cbor_writer_done(CborWriter *writer)
{
        buffer_done(&writer->buffer);
}

static void cbor_append(CborWriter *writer, const void *data, size_t size)
{
        if (!writer->failed && size && buffer_append(&writer->buffer, data, size) < 0)
                writer->failed = true;
}

/* The encoders return the size, 0 for "no room": there always is. Those of lengths take a size_t,
 * which is the same type here. */
static void put_head(CborWriter *writer, size_t (*encode)(uint64_t, unsigned char *, size_t),
                     uint64_t value)
{
        unsigned char head[HEAD_MAX];

        cbor_append(writer, head, encode(value, head, sizeof(head)));
}

int cbor_writer_finish(CborWriter *writer, uint8_t **ret, size_t *ret_size)
{
        if (writer->failed || !writer->buffer.size)
                return -ENOMEM;
        *ret_size = writer->buffer.size;
        *ret = (uint8_t *)buffer_take(&writer->buffer);
        return 0;
}

void cbor_put_int(CborWriter *writer, int64_t value)
{
        if (value >= 0)
                put_head(writer, cbor_encode_uint, (uint64_t)value);
        else
                put_head(writer, cbor_encode_negint, (uint64_t)(-1 - value));
}

void cbor_put_bytes(CborWriter *writer, const void *data, size_t size)
{
        put_head(writer, cbor_encode_bytestring_start, size);
        cbor_append(writer, data, size);
}

void cbor_put_text(CborWriter *writer, const char *text)
{
        put_head(writer, cbor_encode_string_start, strlen(text));
        cbor_append(writer, text, strlen(text));
}

void cbor_begin_array(CborWriter *writer, size_t n)
{
        put_head(writer, cbor_encode_array_start, n);
}

void cbor_begin_map(CborWriter *writer, size_t n)
{
        put_head(writer, cbor_encode_map_start, n);
}

void cbor_put_tag(CborWriter *writer, uint64_t tag)
{
        put_head(writer, cbor_encode_tag, tag);
}

void cbor_put_wrapped(CborWriter *writer, CborWriter *inner)
{
        writer->failed |= inner->failed;
        cbor_put_bytes(writer, inner->buffer.data, inner->buffer.size);
        buffer_done(&inner->buffer);
}
