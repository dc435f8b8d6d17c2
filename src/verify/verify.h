/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From an attestation and what is expected of it to findings and a verdict: the one entry to this
 * layer. Pure: it opens nothing and asks no clock.
 */

#include "verify/event_log.h"
#include "verify/expectation.h"
#include "verify/findings.h"
#include "verify/trust.h"

#define VERIFY_REPORT_MAX (1u << 20) /* bytes */
#define VERIFY_REPORT_DATA_SIZE 64

typedef enum ReportKind {
        REPORT_SEV_SNP, /* "sev-snp": ATTESTATION_REPORT */
        REPORT_TDX,     /* "tdx": quote */
        REPORT_PCRS,    /* "pcrs": values that nobody signed */
} ReportKind;

const char *report_kind_name(ReportKind kind);

/* All is borrowed. */
typedef struct VerifyInputs {
        Bytes report; /* a raw report or quote, the agent's answer, or tpm2_pcrread's output */
        const Expectation *expectation; /* NULL: not given */
        Bytes event_log;                /* or not given */
        const uint8_t *report_data;     /* VERIFY_REPORT_DATA_SIZE bytes, or NULL: not given */
        Trust trust;
} VerifyInputs;

typedef struct Verification {
        ReportKind kind;
        Findings findings;
} Verification;

/* ArtifactInvalid "report" or "event-log" (no such thing), InvalidSpec (an input that this kind of
 * report does not take), or -errno. */
int verify_run(const VerifyInputs *inputs, Verification *ret, CvmError *error);
void verification_done(Verification *verification);

/* {"report", "verdict", "checks"}; see cvm-verify(7). NULL without memory. */
json_object *verification_to_json(const Verification *verification);
