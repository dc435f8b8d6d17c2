/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What kind of attestation a file holds, by its content, and the attestation in it: a report or
 * quote alone, or in one of the containers in which kernels, clouds and tools hand it over, raw, in
 * hex or in base64. What is known and cannot be checked is named when it is refused.
 *
 * Source of the containers: certificate_table.h, hcl_report.h, cvm-guest(7) (the agent's answer);
 * AMD, 56860, "MSG_REPORT_RSP" (32 bytes before the report, which SNP_GET_REPORT gives with them);
 * Intel, "TDX Module ABI", TDREPORT_STRUCT; "SGX DCAP ECDSA Quote Library", A.4 (quote version 3).
 */

#include "verify/certificate_table.h"
#include "verify/hcl_report.h"
#include "verify/pcrs.h"

#define EVIDENCE_MAX (1u << 20) /* bytes */

typedef enum ReportKind {
        REPORT_SEV_SNP, /* "sev-snp": ATTESTATION_REPORT */
        REPORT_TDX,     /* "tdx": quote */
        REPORT_PCRS,    /* "pcrs": values that nobody signed */
        REPORT_TPM,     /* "tpm": quotes of a TPM (attestation.h) */
} ReportKind;

const char *report_kind_name(ReportKind kind);

typedef enum EvidenceForm {
        FORM_REPORT,          /* "report" */
        FORM_EXTENDED_REPORT, /* "extended-report": certificates behind it */
        FORM_REPORT_RESPONSE, /* "report-response": the firmware's header before it */
        FORM_HCL_REPORT,      /* "hcl-report" */
        FORM_QUOTE,           /* "quote" */
        FORM_PCRS,            /* "pcrs" */
} EvidenceForm;

const char *evidence_form_name(EvidenceForm form);

typedef struct Evidence {
        ReportKind kind;
        EvidenceForm form;
        const char *encoding;   /* "hex", "base64", "agent-answer"; NULL: raw, or PCRs as text */
        Bytes report;           /* alone; not given: there are PCRs only */
        CertificateTable table; /* of FORM_EXTENDED_REPORT, or empty */
        HclReport hcl;          /* of FORM_HCL_REPORT */
        Pcrs pcrs;
        uint8_t *owned; /* what the rest points into, where the file had it encoded */
} Evidence;

/* ArtifactInvalid "report": none of these, or broken. The file must outlive what is returned. */
int evidence_open(Bytes file, Evidence *ret, CvmError *error);
void evidence_done(Evidence *evidence);
