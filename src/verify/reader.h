/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Foreign bytes, taken from the front piece by piece. What is not there fails the reader for good
 * and reads as nothing, so that a parser may ask once, behind several pieces. */

#include "measure/bytes.h"

typedef struct Reader {
        Bytes rest;
        bool failed;
} Reader;

/* NULL if there are fewer. */
static inline const uint8_t *reader_take(Reader *reader, size_t size)
{
        const uint8_t *data = reader->rest.data;

        if (reader->failed || size > reader->rest.size) {
                reader->failed = true;
                return NULL;
        }
        reader->rest = (Bytes){data + size, reader->rest.size - size};
        return data;
}

static inline uint16_t reader_take16(Reader *reader)
{
        const uint8_t *data = reader_take(reader, 2);

        return data ? le16_get(data) : 0;
}

static inline uint32_t reader_take32(Reader *reader)
{
        const uint8_t *data = reader_take(reader, 4);

        return data ? le32_get(data) : 0;
}

static inline Bytes reader_take_bytes(Reader *reader, size_t size)
{
        const uint8_t *data = reader_take(reader, size);

        return data ? (Bytes){data, size} : (Bytes){};
}
