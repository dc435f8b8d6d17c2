/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * SHA-256 and SHA-384 (FIPS 180-4, by libcrypto's EVP), and registers that are extended:
 * R = H(R || digest), from zeros (TPM 2.0 part 1, "Extend of a PCR"; for RTMRs: Intel TDX module
 * ABI, TDG.MR.RTMR.EXTEND).
 */

#include "base/macros.h"

#define SHA256_SIZE 32
#define SHA384_SIZE 48

typedef enum HashAlgorithm { HASH_SHA256, HASH_SHA384, _HASH_MAX } HashAlgorithm;

#define HASH_SIZE_MAX SHA384_SIZE

typedef struct HashDigest {
        HashAlgorithm algorithm;
        uint8_t bytes[HASH_SIZE_MAX]; /* the first hash_size() of them */
} HashDigest;

size_t hash_size(HashAlgorithm algorithm);      /* bytes of a digest */
const char *hash_name(HashAlgorithm algorithm); /* "sha256", "sha384" */

/* A running hash. */
typedef struct Hash Hash;

Hash *hash_new(HashAlgorithm algorithm); /* NULL without memory */
Hash *hash_free(Hash *hash);
DEFINE_CLEANUP(Hash *, hash_free)
/* A failure of libcrypto is reported by hash_finish(). */
void hash_update(Hash *hash, const void *data, size_t size);
/* The digest of all bytes since the last finish; the hash can be used again. Returns 0 or -EIO
 * (libcrypto failed). */
int hash_finish(Hash *hash, HashDigest *ret);

/* All in one. Returns 0, -ENOMEM or -EIO. */
int hash_bytes(HashAlgorithm algorithm, const void *data, size_t size, HashDigest *ret);

/* Zeros: the value that every register here begins with. */
HashDigest hash_zero(HashAlgorithm algorithm);
/* Extends a register by a digest of the register's algorithm. Returns 0, -ENOMEM or -EIO. */
int hash_extend(HashDigest *target, const HashDigest *digest);

/* Lowercase hex, newly allocated; NULL without memory. */
char *hash_hex(const HashDigest *digest);
/* Parses hex digits of either case, exactly as many as the digest has. Returns 0 or -EBADMSG. */
int hash_parse_hex(HashAlgorithm algorithm, const char *hex, HashDigest *ret);
/* Parses 64 hex digits of either case. Returns 0 or -EINVAL. */
int hash_parse_sha256(const char *hex, uint8_t ret[static SHA256_SIZE]);
