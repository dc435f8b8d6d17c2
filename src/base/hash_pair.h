/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* SHA-256 and SHA-384 of the same bytes, in one pass over them. */

#include "base/hash.h"

/* The digests. */
typedef struct HashPairDigest {
        uint8_t sha256[SHA256_SIZE];
        uint8_t sha384[SHA384_SIZE];
} HashPairDigest;

/* The two running hashes. */
typedef struct HashPair HashPair;

HashPair *hash_pair_new(void); /* NULL without memory */
HashPair *hash_pair_free(HashPair *pair);
DEFINE_CLEANUP(HashPair *, hash_pair_free)
void hash_pair_update(HashPair *pair, const void *data, size_t size);
/* The digests of all bytes since the last finish. Returns 0 or -EIO (libcrypto failed). */
int hash_pair_finish(HashPair *pair, HashPairDigest *ret);

/* All in one. Returns 0, -ENOMEM or -EIO. */
int hash_pair_bytes(const void *data, size_t size, HashPairDigest *ret);

/* One of the two digests. */
HashDigest hash_pair_digest(const HashPairDigest *pair, HashAlgorithm algorithm);
