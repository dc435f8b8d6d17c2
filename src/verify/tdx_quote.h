/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A TDX quote, taken apart. Nothing of it is trusted before its signatures have been verified
 * (tdx_chain.h).
 *
 * Source: Intel, "TDX DCAP Quoting Library API", appendix A.3 (quote version 4) and A.4 (version
 * 5); of the QE's report "SGX Developer Reference", REPORTBODY.
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

#define TDX_ATTRIBUTES_DEBUG UINT64_C(0xff) /* TUD: any of these bits makes the TD untrusted */
#define TDX_ATTRIBUTES_MIGRATABLE (UINT64_C(1) << 29)

/* Pointers are into the bytes that were parsed. */
typedef struct TdxQuote {
        uint16_t version;
        Bytes signed_part;          /* header and body */
        const uint8_t *tee_tcb_svn; /* 16 */
        const uint8_t *mr_signer_seam;
        uint64_t seam_attributes, attributes, xfam;
        const uint8_t *mrtd, *mr_config_id, *mr_owner, *mr_owner_config; /* 48 each */
        const uint8_t *rtmr[TDX_RTMRS];
        const uint8_t *report_data;     /* 64 */
        const uint8_t *mr_service_td;   /* 48; NULL: a TD 1.0 report has none */
        const uint8_t *signature, *key; /* TDX_SCALARS_SIZE each: of signed_part, and by whom */
        const uint8_t *qe_report;       /* TDX_QE_REPORT_SIZE */
        const uint8_t *qe_signature;    /* TDX_SCALARS_SIZE: of qe_report by the PCK */
        Bytes qe_auth;
        Bytes pck_chain; /* PEM; not given: the quote has none */
} TdxQuote;

/* Whether it begins as a TDX quote does: for choosing, it may still be none. */
bool tdx_quote_is(Bytes bytes);

/* ArtifactInvalid "report": not of that form, of another version, key type or TEE, cut short, or
 * followed by anything but zeros. */
int tdx_quote_parse(Bytes bytes, TdxQuote *ret, CvmError *error);
