/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256 and SHA-384 (FIPS 180-4) over libcrypto's EVP, both in one pass over the bytes. */

#include "base/macros.h"

#define SHA256_SIZE 32
#define SHA384_SIZE 48

typedef struct DigestPair {
        uint8_t sha256[SHA256_SIZE];
        uint8_t sha384[SHA384_SIZE];
} DigestPair;

typedef struct Digester Digester;

Digester *digester_new(void); /* NULL without memory */
Digester *digester_free(Digester *digester);
DEFINE_CLEANUP(Digester *, digester_free)
int digester_update(Digester *digester, const void *data, size_t size); /* 0 or -EIO */
int digester_finish(Digester *digester, DigestPair *ret);               /* 0 or -EIO; once */

int digest_bytes(const void *data, size_t size, DigestPair *ret);

/* 64 lowercase or uppercase hex digits. Returns 0 or -EINVAL. */
int digest_parse_sha256(const char *hex, uint8_t ret[static SHA256_SIZE]);
