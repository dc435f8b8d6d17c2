/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* ECDSA signatures whose numbers are plain big-endian bytes, by libcrypto. */

#include <openssl/evp.h>

#include "measure/bytes.h"

#define P256_SIZE 32
#define P384_SIZE 48

/* A public key of that curve from x and y. Returns 0, -EINVAL (not a point of the curve)
 * or -ENOMEM. */
int signature_key_p256(const uint8_t xy[static 2 * P256_SIZE], EVP_PKEY **ret);
int signature_key_p384(const uint8_t xy[static 2 * P384_SIZE], EVP_PKEY **ret);

/* Whether the key is one of that curve ("P-256", "P-384"). */
bool signature_key_is(EVP_PKEY *key, const char *curve);

/* Whether r and s, `size` bytes each, are the key's signature of the data's digest. */
bool signature_verify(EVP_PKEY *key, const EVP_MD *digest, const uint8_t *r, const uint8_t *s,
                      size_t size, Bytes data);
