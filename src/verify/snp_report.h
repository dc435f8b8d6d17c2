/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An SEV-SNP attestation report, taken apart. Nothing of it is trusted before its signature has
 * been verified (snp_chain.h).
 *
 * Source: AMD, "SEV Secure Nested Paging Firmware ABI Specification" (document 56860), section
 * "MSG_REPORT_REQ", table "ATTESTATION_REPORT Structure" (versions 2 to 6), and chapter 10,
 * "Digital Signatures" (numbers little-endian in 72-byte fields).
 *
 * AMD adds versions, kinds of keys and fields, and moves none that there is: a report of a version
 * that is not known here is read as far as every version since 2 has the same fields at the same
 * place. What is not known is kept as a number, for findings that say so.
 */

#include "base/error.h"
#include "measure/bytes.h"

#define SNP_REPORT_SIZE 1184
#define SNP_REPORT_SIGNED 0x2a0 /* bytes that the signature is over */
#define SNP_REPORT_DATA_SIZE 64
#define SNP_CHIP_ID_SIZE 64
#define SNP_TCB_SIZE 8
#define SNP_SCALAR_SIZE 48 /* r and s of P-384 */

#define SNP_VERSION_FIRST 2
#define SNP_VERSION_KNOWN 6     /* the last one that is known here */
#define SNP_ECDSA_P384_SHA384 1 /* SIGNATURE_ALGO */

#define SNP_POLICY_MIGRATE_MA (UINT64_C(1) << 18)
#define SNP_POLICY_DEBUG (UINT64_C(1) << 19)
#define SNP_VMPL_MAX 3 /* of a guest; a report that the host asked for has 0xffffffff */

/* SIGNING_KEY; AMD may add others. */
#define SNP_SIGNED_BY_VCEK 0
#define SNP_SIGNED_BY_VLEK 1
#define SNP_SIGNED_BY_CHIP_SECRET 2 /* a VCEK that comes of the chip's secret alone */
#define SNP_SIGNED_BY_NONE 7

/* Pointers are into the bytes that were parsed. */
typedef struct SnpReport {
        uint32_t version, guest_svn, vmpl;
        bool known_version;           /* SNP_VERSION_FIRST to SNP_VERSION_KNOWN */
        uint32_t signature_algorithm; /* SIGNATURE_ALGO */
        size_t reserved_at;           /* the first reserved byte that is not zero; 0: none */
        uint64_t policy;
        const uint8_t *family_id, *image_id; /* 16 each */
        bool author_key, masked_chip_key;
        uint32_t signing_key;
        uint64_t platform_info;
        const uint8_t *report_data;                              /* 64 */
        const uint8_t *measurement;                              /* 48 */
        const uint8_t *host_data;                                /* 32 */
        const uint8_t *id_key_digest;                            /* 48 */
        const uint8_t *author_key_digest;                        /* 48 */
        const uint8_t *reported_tcb;                             /* 8 */
        const uint8_t *current_tcb, *committed_tcb, *launch_tcb; /* 8 each */
        bool has_cpuid;                  /* from version 3 on, if the version is known */
        uint8_t family, model, stepping; /* CPUID_FAM_ID, …: extended ones added */
        const uint8_t *chip_id;          /* 64; zeros: masked */
        const uint8_t *signed_part;      /* SNP_REPORT_SIGNED */
        uint8_t r[SNP_SCALAR_SIZE], s[SNP_SCALAR_SIZE]; /* big-endian */
} SnpReport;

/* Whether it begins as an SEV-SNP report does: for choosing, it may still be none. */
bool snp_report_is(Bytes bytes);

/* ArtifactInvalid "report": another size, a version before the first, a signature that has bytes
 * outside its numbers. */
int snp_report_parse(Bytes bytes, SnpReport *ret, CvmError *error);
