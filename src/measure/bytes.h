/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Little-endian numbers in files, and pieces of them that are inside. All formats of this layer are
 * little-endian. */

#include <string.h>

#include "base/macros.h"

/* Borrowed bytes. data NULL: not given. */
typedef struct Bytes {
        const uint8_t *data;
        size_t size;
} Bytes;

static inline uint16_t le16_get(const uint8_t *p)
{
        return (uint16_t)(p[0] | p[1] << 8);
}

static inline uint32_t le32_get(const uint8_t *p)
{
        return (uint32_t)le16_get(p) | (uint32_t)le16_get(p + 2) << 16;
}

static inline uint64_t le64_get(const uint8_t *p)
{
        return (uint64_t)le32_get(p) | (uint64_t)le32_get(p + 4) << 32;
}

static inline void le16_put(uint8_t *p, uint16_t value)
{
        p[0] = (uint8_t)value;
        p[1] = (uint8_t)(value >> 8);
}

static inline void le32_put(uint8_t *p, uint32_t value)
{
        le16_put(p, (uint16_t)value);
        le16_put(p + 2, (uint16_t)(value >> 16));
}

static inline void le64_put(uint8_t *p, uint64_t value)
{
        le32_put(p, (uint32_t)value);
        le32_put(p + 4, (uint32_t)(value >> 32));
}

/* Whether [offset, offset + size) lies within the bytes. */
static inline bool bytes_contain(Bytes bytes, uint64_t offset, uint64_t size)
{
        return offset <= bytes.size && size <= bytes.size - offset;
}

static inline bool bytes_equal(Bytes bytes, const void *data, size_t size)
{
        return bytes.size == size && memcmp(bytes.data, data, size) == 0;
}
