/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/id_block.h"

#define ID_BLOCK_VERSION 1
#define CURVE_P384 2
#define FIELD_SIZE 72

void id_block_encode(const IdBlock *block, uint8_t ret[static ID_BLOCK_SIZE])
{
        memcpy(ret, block->launch_digest.bytes, SHA384_SIZE);
        memcpy(ret + 48, block->family_id, 16);
        memcpy(ret + 64, block->image_id, 16);
        le32_put(ret + 80, ID_BLOCK_VERSION);
        le32_put(ret + 84, block->guest_svn);
        le64_put(ret + 88, block->policy);
}

static void put_coordinate(uint8_t *field, const uint8_t *big_endian)
{
        for (size_t i = 0; i < ID_COORDINATE_SIZE; i++)
                field[i] = big_endian[ID_COORDINATE_SIZE - 1 - i];
}

void id_key_encode(const uint8_t x[static ID_COORDINATE_SIZE],
                   const uint8_t y[static ID_COORDINATE_SIZE], uint8_t ret[static ID_KEY_SIZE])
{
        memset(ret, 0, ID_KEY_SIZE);
        le32_put(ret, CURVE_P384);
        put_coordinate(ret + 4, x);
        put_coordinate(ret + 4 + FIELD_SIZE, y);
}

int id_key_digest(const uint8_t key[static ID_KEY_SIZE], HashDigest *ret)
{
        return hash_bytes(HASH_SHA384, key, ID_KEY_SIZE, ret);
}
