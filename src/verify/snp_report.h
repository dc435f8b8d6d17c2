/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An SEV-SNP attestation report, taken apart. Nothing of it is trusted before its signature has
 * been verified (snp_chain.h).
 *
 * Source: AMD, "SEV Secure Nested Paging Firmware ABI Specification" (document 56860), section
 * "MSG_REPORT_REQ", table "ATTESTATION_REPORT Structure" (versions 2, 3 and 5), and chapter 10,
 * "Digital Signatures" (numbers little-endian in 72-byte fields).
 */

#include "base/error.h"
#include "measure/bytes.h"

#define SNP_REPORT_SIZE 1184
#define SNP_REPORT_SIGNED 0x2a0 /* bytes that the signature is over */
#define SNP_REPORT_DATA_SIZE 64
#define SNP_CHIP_ID_SIZE 64
#define SNP_TCB_SIZE 8
#define SNP_SCALAR_SIZE 48 /* r and s of P-384 */

#define SNP_POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define SNP_POLICY_DEBUG (UINT64_C(1) << 19)
#define SNP_VMPL_MAX 3 /* of a guest; a report that the host asked for has 0xffffffff */

typedef enum SnpSigningKey {
        SNP_SIGNED_BY_VCEK = 0,
        SNP_SIGNED_BY_VLEK = 1,
        SNP_SIGNED_BY_NONE = 7,
} SnpSigningKey;

/* Pointers are into the bytes that were parsed. */
typedef struct SnpReport {
        uint32_t version, guest_svn, vmpl;
        uint64_t policy;
        const uint8_t *family_id, *image_id; /* 16 each */
        uint64_t current_tcb;
        bool author_key, masked_chip_key;
        SnpSigningKey signing_key;
        const uint8_t *report_data;                     /* 64 */
        const uint8_t *measurement;                     /* 48 */
        const uint8_t *host_data;                       /* 32 */
        const uint8_t *id_key_digest;                   /* 48 */
        const uint8_t *author_key_digest;               /* 48 */
        const uint8_t *reported_tcb;                    /* 8 */
        bool has_cpuid;                                 /* from version 3 on */
        uint8_t family, model, stepping;                /* CPUID_FAM_ID, …: extended ones added */
        const uint8_t *chip_id;                         /* 64; zeros: masked */
        const uint8_t *signed_part;                     /* SNP_REPORT_SIGNED */
        uint8_t r[SNP_SCALAR_SIZE], s[SNP_SCALAR_SIZE]; /* big-endian */
} SnpReport;

/* ArtifactInvalid "report": another size or version, another signature algorithm, a reserved field
 * that is not zero. */
int snp_report_parse(Bytes bytes, SnpReport *ret, CvmError *error);
