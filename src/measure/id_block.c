/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/id_block.h"

#include <string.h>

#include "measure/bytes.h"

#define ID_BLOCK_VERSION 1
#define CURVE_P384 2
#define FIELD_SIZE 72

#define ALGORITHM_ECDSA_P384_SHA384 1
#define AUTH_ID_ALGORITHM 0
#define AUTH_AUTHOR_ALGORITHM 4

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

void id_block_encode_key(const uint8_t x[static ID_COORDINATE_SIZE],
                         const uint8_t y[static ID_COORDINATE_SIZE],
                         uint8_t ret[static ID_KEY_SIZE])
{
        memset(ret, 0, ID_KEY_SIZE);
        le32_put(ret, CURVE_P384);
        put_coordinate(ret + 4, x);
        put_coordinate(ret + 4 + FIELD_SIZE, y);
}

int id_block_key_digest(const uint8_t key[static ID_KEY_SIZE], HashDigest *ret)
{
        return hash_bytes(HASH_SHA384, key, ID_KEY_SIZE, ret);
}

int id_block_encode_signing_key(const SigningKey *key, uint8_t ret[static ID_KEY_SIZE])
{
        uint8_t x[KEY_NUMBER_MAX], y[KEY_NUMBER_MAX];
        int r = signing_key_public(key, x, y);

        if (r == 0)
                id_block_encode_key(x, y, ret);
        return r;
}

static int put_signature(const SigningKey *key, const uint8_t *data, size_t size, uint8_t *ret)
{
        uint8_t big_r[KEY_NUMBER_MAX], big_s[KEY_NUMBER_MAX];
        int r = signing_key_sign(key, data, size, big_r, big_s);

        if (r < 0)
                return r;
        put_coordinate(ret, big_r);
        put_coordinate(ret + FIELD_SIZE, big_s);
        return 0;
}

int id_block_encode_auth(const uint8_t block[static ID_BLOCK_SIZE], const SigningKey *id,
                         const SigningKey *author, uint8_t ret[static ID_AUTH_SIZE])
{
        int r;

        memset(ret, 0, ID_AUTH_SIZE);
        le32_put(ret + AUTH_ID_ALGORITHM, ALGORITHM_ECDSA_P384_SHA384);
        r = put_signature(id, block, ID_BLOCK_SIZE, ret + ID_AUTH_BLOCK_SIGNATURE);
        if (r == 0)
                r = id_block_encode_signing_key(id, ret + ID_AUTH_ID_KEY);
        if (r < 0 || !author)
                return r;
        le32_put(ret + AUTH_AUTHOR_ALGORITHM, ALGORITHM_ECDSA_P384_SHA384);
        r = put_signature(author, ret + ID_AUTH_ID_KEY, ID_KEY_SIZE, ret + ID_AUTH_KEY_SIGNATURE);
        return r ?: id_block_encode_signing_key(author, ret + ID_AUTH_AUTHOR_KEY);
}
