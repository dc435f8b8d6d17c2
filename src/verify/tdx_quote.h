/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A TDX quote, taken apart. Nothing of it is trusted before its signatures have been verified
 * (tdx_chain.h).
 *
 * Source: Intel, "TDX DCAP Quoting Library API", appendix A.3 (quote version 4) and A.4 (version
 * 5); of the QE's report "SGX Developer Reference", REPORTBODY.
 *
 * Intel adds types of keys, bodies and certification data: a quote with one that is not known here
 * is read as far as its own sizes lead, and what is missing is left out.
 */

#include "base/error.h"
#include "measure/bytes.h"

#define TDX_REPORT_DATA_SIZE 64
#define TDX_REGISTER_SIZE 48
#define TDX_RTMRS 4
#define TDX_TCB_SVN_SIZE 16
#define TDX_SCALARS_SIZE 64 /* r and s, or x and y, of P-256, big-endian */
#define TDX_QE_REPORT_SIZE 384
#define TDX_QUOTE_MAX (64u << 10) /* bytes; the kernel's interface gives at most 16 KiB */

#define TDX_KEY_ECDSA_P256 2 /* key_type */
#define TDX_BODY_TD_1_0 2    /* body_type */
#define TDX_BODY_TD_1_5 3
#define TDX_CERTIFICATION_QE 6 /* certification_type: the quoting enclave's report */

#define TDX_ATTRIBUTES_DEBUG UINT64_C(0xff) /* TUD: any of these bits makes the TD untrusted */
#define TDX_ATTRIBUTES_MIGRATABLE (UINT64_C(1) << 29)

/* Pointers are into the bytes that were parsed. */
typedef struct TdxQuote {
        uint16_t version, key_type, body_type, certification_type;
        Bytes signed_part;          /* header and body */
        bool has_body;              /* else body_type is not known, and what follows is missing */
        const uint8_t *tee_tcb_svn; /* 16 */
        const uint8_t *mr_signer_seam;
        uint64_t seam_attributes, attributes, xfam;
        const uint8_t *mrtd, *mr_config_id, *mr_owner, *mr_owner_config; /* 48 each */
        const uint8_t *rtmr[TDX_RTMRS];
        const uint8_t *report_data;   /* 64 */
        const uint8_t *mr_service_td; /* 48; NULL: a TD 1.0 report has none */
        /* TDX_SCALARS_SIZE each: of signed_part, and by whom. NULL: key_type is not known. */
        const uint8_t *signature, *key;
        const uint8_t *qe_report;    /* TDX_QE_REPORT_SIZE; NULL: certification_type is not known */
        const uint8_t *qe_signature; /* TDX_SCALARS_SIZE: of qe_report by the PCK */
        Bytes qe_auth;
        Bytes pck_chain; /* PEM; not given: the quote has none */
} TdxQuote;

/* Whether it begins as a quote of Intel's does: for choosing, it may still not be one of a TD. */
bool tdx_quote_is(Bytes bytes);

/* ArtifactInvalid "report": not of that form, of another version or TEE, cut short, or followed by
 * anything but zeros. */
int tdx_quote_parse(Bytes bytes, TdxQuote *ret, CvmError *error);
