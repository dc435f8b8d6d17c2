/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ID block of an SEV-SNP launch: what its owner signs, the signatures that go with it, and the
 * digest under which a report names a signing key.
 *
 * Source: AMD, "SEV Secure Nested Paging Firmware ABI Specification" (document 56860), section 8.18
 * "SNP_LAUNCH_FINISH", tables "Structure of the ID Block" and "Structure of the ID Authentication
 * Information Structure", and chapter 10, "Format for an ECDSA P-384 Public Key" and "Format of
 * ECDSA P-384 with SHA-384 Signature" (numbers little-endian in 72-byte fields).
 */

#include "base/hash.h"
#include "measure/signing_key.h"

#define ID_BLOCK_SIZE 96
#define ID_KEY_SIZE 1028
#define ID_AUTH_SIZE 4096
#define ID_AUTH_BLOCK_SIGNATURE 64 /* offsets in it: what the ID key signs with … */
#define ID_AUTH_ID_KEY 576
#define ID_AUTH_KEY_SIGNATURE 1664 /* … and the author key */
#define ID_AUTH_AUTHOR_KEY 2176
#define ID_COORDINATE_SIZE 48         /* of P-384, big-endian as libcrypto has it */
#define ID_POLICY_MUST_SET 0x20000ull /* reserved bit 17 */

typedef struct IdBlock {
        HashDigest launch_digest; /* SHA-384 */
        uint8_t family_id[16], image_id[16];
        uint32_t guest_svn;
        uint64_t policy;
} IdBlock;

void id_block_encode(const IdBlock *block, uint8_t ret[static ID_BLOCK_SIZE]);

/* A public key as SNP has it, and its SHA-384: ID_KEY_DIGEST or AUTHOR_KEY_DIGEST of a report. */
void id_block_encode_key(const uint8_t x[static ID_COORDINATE_SIZE],
                         const uint8_t y[static ID_COORDINATE_SIZE],
                         uint8_t ret[static ID_KEY_SIZE]);
int id_block_key_digest(const uint8_t key[static ID_KEY_SIZE], HashDigest *ret);

/* Of a key of P-384. 0 or -EIO. */
int id_block_encode_signing_key(const SigningKey *key, uint8_t ret[static ID_KEY_SIZE]);

/* The ID authentication information: the ID key's signature of the block, and the author key's of
 * the ID key. Keys of P-384; author NULL: none. 0 or -EIO. */
int id_block_encode_auth(const uint8_t block[static ID_BLOCK_SIZE], const SigningKey *id,
                         const SigningKey *author, uint8_t ret[static ID_AUTH_SIZE]);
