/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A TPM's quote: what TPM2_Quote signs (TPMS_ATTEST) and the signature (TPMT_SIGNATURE).
 *
 * Source: TCG, "TPM 2.0 Library", part 2, 10.12.12 (TPMS_ATTEST), 10.12.4 (TPMS_QUOTE_INFO), 10.9.7
 * (TPML_PCR_SELECTION) and 11.3.4 (TPMT_SIGNATURE); part 3, 18.4 (TPM2_Quote).
 */

#include "verify/pcrs.h"
#include "verify/tpm_public.h"

#define TPM_ATTEST_MAX 2048 /* bytes */
#define TPM_SIGNATURE_MAX 1024
#define TPM_SELECTIONS_MAX 8
/* What a quote can cover (qualifyingData): TPMs without SHA-512 take at most 50 bytes there. */
#define TPM_QUALIFYING_MAX 48

/* Of a bank that is not used here `bank` is _HASH_MAX. */
typedef struct TpmSelection {
        uint16_t id; /* of the bank's hash algorithm */
        HashAlgorithm bank;
        uint32_t pcrs; /* bit n: PCR n is quoted */
} TpmSelection;

/* Pointers are into the bytes that were parsed. */
typedef struct TpmAttest {
        Bytes bytes;            /* all of it: what is signed */
        Bytes qualified_signer; /* a name */
        Bytes qualifying_data;
        uint64_t clock, firmware_version;
        uint32_t reset_count, restart_count;
        TpmSelection selections[TPM_SELECTIONS_MAX];
        size_t n_selections;
        Bytes pcr_digest;
} TpmAttest;

typedef struct TpmSignature {
        uint16_t scheme; /* TPM_ALG_ECDSA, TPM_ALG_RSASSA or TPM_ALG_RSAPSS */
        HashAlgorithm hash;
        Bytes rsa;  /* of an RSA scheme */
        Bytes r, s; /* of TPM_ALG_ECDSA: up to 48 bytes each */
} TpmSignature;

/* ArtifactInvalid "quote": another structure, a quote of a bank twice, or bytes behind it. */
int tpm_attest_parse(Bytes bytes, TpmAttest *ret, CvmError *error);
/* ArtifactInvalid "signature" likewise; also for a scheme or hash that is not named above. */
int tpm_signature_parse(Bytes bytes, TpmSignature *ret, CvmError *error);

/* Whether the key signed the quote, in the key's own scheme if it has one. Returns 0, -ENOMEM, or
 * -EKEYREJECTED. */
int tpm_attest_verify(const TpmAttest *attest, const TpmSignature *signature, const TpmPublic *key);

/* Whether the quote names that key, with all of its public area, as its signer: a primary key of
 * any hierarchy. Returns 0, -ENOMEM, -EIO, or -EKEYREJECTED.
 *
 * Source: part 1, 16.4 (Qualified Names). */
int tpm_attest_check_signer(const TpmAttest *attest, const TpmPublic *key);

/* The digest of the PCRs that the quote names, in its order. Returns 0, -ENOMEM, -EIO, or -ENOENT:
 * one of them is not given, then *ret_bank is its bank's identifier and *ret_index its number. */
int tpm_attest_digest(const TpmAttest *attest, const Pcrs *pcrs, HashAlgorithm hash,
                      HashDigest *ret, uint16_t *ret_bank, unsigned *ret_index);
