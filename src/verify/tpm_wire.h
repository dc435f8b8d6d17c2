/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Numbers and sized buffers of TPM 2.0, which are big-endian, and the identifiers of algorithms.
 *
 * Source: TCG, "TPM 2.0 Library", part 2 (Structures), 6.3 (TPM_ALG_ID), 6.4 (TPM_ECC_CURVE) and
 * 10.4 (sized buffers).
 */

#include "base/hash.h"
#include "verify/reader.h"

#define TPM_ALG_RSA 0x0001
#define TPM_ALG_AES 0x0006
#define TPM_ALG_SHA1 0x0004
#define TPM_ALG_SHA256 0x000b
#define TPM_ALG_SHA384 0x000c
#define TPM_ALG_SHA512 0x000d
#define TPM_ALG_NULL 0x0010
#define TPM_ALG_RSASSA 0x0014
#define TPM_ALG_RSAES 0x0015
#define TPM_ALG_RSAPSS 0x0016
#define TPM_ALG_OAEP 0x0017
#define TPM_ALG_ECDSA 0x0018
#define TPM_ALG_ECDH 0x0019
#define TPM_ALG_ECC 0x0023
#define TPM_ALG_CFB 0x0043

#define TPM_ECC_P256 0x0003
#define TPM_ECC_P384 0x0004

static inline uint16_t tpm_take16(Reader *reader)
{
        const uint8_t *data = reader_take(reader, 2);

        return data ? (uint16_t)(data[0] << 8 | data[1]) : 0;
}

static inline uint32_t tpm_take32(Reader *reader)
{
        uint32_t high = tpm_take16(reader);

        return high << 16 | tpm_take16(reader);
}

static inline uint64_t tpm_take64(Reader *reader)
{
        uint64_t high = tpm_take32(reader);

        return high << 32 | tpm_take32(reader);
}

/* A TPM2B: its size and as many bytes. More than `max` fail the reader. */
static inline Bytes tpm_take_sized(Reader *reader, size_t max)
{
        uint16_t size = tpm_take16(reader);

        if (size > max)
                reader->failed = true;
        return reader_take_bytes(reader, size);
}

static inline void tpm_put16(uint8_t *p, size_t value)
{
        p[0] = (uint8_t)(value >> 8);
        p[1] = (uint8_t)value;
}

/* _HASH_MAX: one that is not used here. */
static inline HashAlgorithm tpm_hash(uint16_t id)
{
        return id == TPM_ALG_SHA256 ? HASH_SHA256 : id == TPM_ALG_SHA384 ? HASH_SHA384 : _HASH_MAX;
}

static inline uint16_t tpm_hash_id(HashAlgorithm algorithm)
{
        return algorithm == HASH_SHA256 ? TPM_ALG_SHA256 : TPM_ALG_SHA384;
}
