/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/igvm_checksum.h"

#include "measure/bytes.h"

/* CRC-32 of ISO-HDLC (polynomial 0x04c11db7, reflected), which the format requires. */
static uint32_t crc32_add(uint32_t crc, const uint8_t *data, size_t size)
{
        for (size_t i = 0; i < size; i++) {
                crc ^= data[i];
                for (int bit = 0; bit < 8; bit++)
                        crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        return crc;
}

uint32_t igvm_checksum(const uint8_t *file)
{
        static const uint8_t zeros[4];
        size_t fixed = le32_get(file + 4) == 1 ? IGVM_FIXED_SIZE_1 : IGVM_FIXED_SIZE_2;
        uint32_t crc = crc32_add(UINT32_MAX, file, IGVM_CHECKSUM_AT);

        crc = crc32_add(crc, zeros, sizeof(zeros));
        crc = crc32_add(crc, file + IGVM_CHECKSUM_AT + 4, fixed - IGVM_CHECKSUM_AT - 4);
        return ~crc32_add(crc, file + le32_get(file + IGVM_HEADERS_OFFSET_AT),
                          le32_get(file + IGVM_HEADERS_SIZE_AT));
}

void igvm_seal(uint8_t *file)
{
        le32_put(file + IGVM_CHECKSUM_AT, igvm_checksum(file));
}
