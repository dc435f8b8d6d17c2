/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The public area of a TPM's key (TPMT_PUBLIC): RSA, or elliptic curves P-256 and P-384.
 *
 * Source: TCG, "TPM 2.0 Library", part 2, 12.2.4 (TPMT_PUBLIC), 8.3 (TPMA_OBJECT); part 1, 16
 * (Names); "EK Credential Profile for TPM Family 2.0", annex B (templates of EKs).
 */

#include <openssl/evp.h>

#include "base/error.h"
#include "verify/tpm_wire.h"

#define TPM_PUBLIC_MAX 1024 /* bytes */

#define TPM_FIXED_TPM (1u << 1)
#define TPM_ST_CLEAR (1u << 2)
#define TPM_FIXED_PARENT (1u << 4)
#define TPM_SENSITIVE_DATA_ORIGIN (1u << 5)
#define TPM_USER_WITH_AUTH (1u << 6)
#define TPM_ADMIN_WITH_POLICY (1u << 7)
#define TPM_NO_DA (1u << 10)
#define TPM_RESTRICTED (1u << 16)
#define TPM_DECRYPT (1u << 17)
#define TPM_SIGN (1u << 18)

/* Pointers are into the bytes that were parsed. */
typedef struct TpmPublic {
        Bytes bytes;   /* all of it */
        uint16_t type; /* TPM_ALG_RSA or TPM_ALG_ECC */
        HashAlgorithm name_hash;
        uint32_t attributes;     /* TPM_FIXED_TPM … */
        uint16_t symmetric_bits; /* of AES in CFB mode; 0: TPM_ALG_NULL */
        uint16_t scheme;         /* TPM_ALG_NULL: none is fixed */
        uint16_t scheme_hash;    /* if the scheme has one */
        uint16_t curve, bits;    /* of TPM_ALG_ECC; of TPM_ALG_RSA */
        uint32_t exponent;       /* of TPM_ALG_RSA */
        Bytes x, y;              /* of TPM_ALG_ECC: up to the curve's size, big-endian */
        Bytes modulus;           /* of TPM_ALG_RSA */
} TpmPublic;

/* A name: the identifier of the algorithm, big-endian, and a digest. */
typedef struct TpmName {
        uint8_t bytes[2 + HASH_SIZE_MAX];
        size_t size;
} TpmName;

/* ArtifactInvalid `what` ("ak"): another structure, a kind or size of key that is not named above,
 * or bytes behind it. */
int tpm_public_parse(Bytes bytes, const char *what, TpmPublic *ret, CvmError *error);

/* Returns 0, -ENOMEM or -EIO. */
int tpm_public_name(const TpmPublic *key, TpmName *ret);

/* Returns 0, -ENOMEM, or -EINVAL: the numbers are not those of a key. */
int tpm_public_key(const TpmPublic *key, EVP_PKEY **ret);

/* NULL: a key that signs only what its TPM itself made, in one scheme with SHA-256 or SHA-384, and
 * that cannot leave it. Else what speaks against that; static. */
const char *tpm_public_refuse_ak(const TpmPublic *key);
/* NULL: a key that only decrypts what is restricted to its TPM, and that cannot leave it. */
const char *tpm_public_refuse_ek(const TpmPublic *key);

/* Bytes of a coordinate: 32 or 48. */
size_t tpm_public_curve_size(uint16_t curve);
const char *tpm_public_curve_name(uint16_t curve); /* "P-256" */
