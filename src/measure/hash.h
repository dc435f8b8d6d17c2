/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * One running hash (FIPS 180-4, by libcrypto's EVP), reusable after hash_finish(), and registers
 * that are extended: R = H(R || digest), from zeros (TPM 2.0 part 1, "Extend of a PCR"; the same
 * for RTMRs, Intel TDX module ABI, TDG.MR.RTMR.EXTEND).
 *
 * Failures of libcrypto are remembered and told once, by hash_finish(): -EIO.
 */

#include "base/digest.h"
#include "measure/bytes.h"

typedef enum HashAlgorithm { HASH_SHA256, HASH_SHA384, _HASH_MAX } HashAlgorithm;

#define HASH_SIZE_MAX SHA384_SIZE

typedef struct HashDigest {
        HashAlgorithm algorithm;
        uint8_t bytes[HASH_SIZE_MAX]; /* the first hash_size() of them */
} HashDigest;

size_t hash_size(HashAlgorithm algorithm);
const char *hash_name(HashAlgorithm algorithm); /* "sha256", "sha384" */

typedef struct Hash Hash;

Hash *hash_new(HashAlgorithm algorithm); /* NULL without memory */
Hash *hash_free(Hash *hash);
DEFINE_CLEANUP(Hash *, hash_free)
void hash_update(Hash *hash, const void *data, size_t size);
/* The digest of all since the last finish. */
int hash_finish(Hash *hash, HashDigest *ret);

/* All in one. 0, -ENOMEM or -EIO. */
int hash_bytes(HashAlgorithm algorithm, const void *data, size_t size, HashDigest *ret);

/* One of the two. */
HashDigest hash_of_pair(const DigestPair *pair, HashAlgorithm algorithm);

/* Zeros: what every register here begins with. */
HashDigest hash_zero(HashAlgorithm algorithm);
/* digest is of the register's algorithm. */
int hash_extend(HashDigest *target, const HashDigest *digest);

/* Lowercase hex, newly allocated; NULL without memory. */
char *hash_hex(const HashDigest *digest);
/* Of hex digits of either case, exactly as many as the digest has. 0 or -EBADMSG. */
int hash_parse_hex(HashAlgorithm algorithm, const char *hex, HashDigest *ret);
