/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/id_block_check.h"

#include "verify/signature.h"

#define FIELD_SIZE 72 /* of a number, little-endian */
#define CURVE_P384 2
#define ECDSA_P384_SHA384 1

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)

/* False: it is longer than one of P-384. */
static bool read_number(const uint8_t *field, uint8_t ret[static P384_SIZE])
{
        for (size_t i = P384_SIZE; i < FIELD_SIZE; i++)
                if (field[i])
                        return false;
        for (size_t i = 0; i < P384_SIZE; i++)
                ret[i] = field[P384_SIZE - 1 - i];
        return true;
}

static bool id_block_check_verify(const uint8_t *key, const uint8_t *signature, Bytes data)
{
        uint8_t xy[2 * P384_SIZE], r[P384_SIZE], s[P384_SIZE];
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *public = NULL;

        return le32_get(key) == CURVE_P384 && read_number(key + 4, xy) &&
               read_number(key + 4 + FIELD_SIZE, xy + P384_SIZE) && read_number(signature, r) &&
               read_number(signature + FIELD_SIZE, s) && signature_key_p384(xy, &public) == 0 &&
               signature_verify(public, EVP_sha384(), r, s, P384_SIZE, data);
}

const char *id_block_check(const uint8_t block[static ID_BLOCK_SIZE],
                           const uint8_t auth[static ID_AUTH_SIZE], bool has_author)
{
        const uint8_t *id_key = auth + ID_AUTH_ID_KEY;

        if (le32_get(auth) != ECDSA_P384_SHA384 ||
            (has_author && le32_get(auth + 4) != ECDSA_P384_SHA384))
                return "its algorithm is not ECDSA of P-384 with SHA-384";
        if (!id_block_check_verify(id_key, auth + ID_AUTH_BLOCK_SIGNATURE,
                                   (Bytes){block, ID_BLOCK_SIZE}))
                return "the ID key did not sign this block";
        if (has_author &&
            !id_block_check_verify(auth + ID_AUTH_AUTHOR_KEY, auth + ID_AUTH_KEY_SIGNATURE,
                                   (Bytes){id_key, ID_KEY_SIZE}))
                return "the author key did not sign the ID key";
        return NULL;
}
