/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From an attestation and what is expected of it to findings and a verdict: the one entry to this
 * layer. Pure: it opens nothing and asks no clock.
 */

#include "verify/event_log.h"
#include "verify/evidence.h"
#include "verify/expectation.h"
#include "verify/findings.h"
#include "verify/trust.h"

#define VERIFY_REPORT_DATA_SIZE 64

/* All is borrowed. */
typedef struct VerifyInputs {
        Bytes report;                   /* see evidence.h */
        const Expectation *expectation; /* NULL: not given */
        Bytes event_log;                /* or not given */
        const uint8_t *report_data;     /* VERIFY_REPORT_DATA_SIZE bytes, or NULL: not given */
        Trust trust;
} VerifyInputs;

typedef struct Verification {
        ReportKind kind;
        json_object *evidence; /* how the file had it, and which of its certificates were used */
        json_object *shown;    /* see shown.h; NULL of PCRs and of a TPM */
        bool chained;          /* it is shown as a chain, too (chain.h) */
        Findings findings;
} Verification;

/* ArtifactInvalid "report" or "event-log" (no such thing), InvalidSpec (an input that this kind of
 * report does not take), or -errno. */
int verify_run(const VerifyInputs *inputs, Verification *ret, CvmError *error);
void verification_done(Verification *verification);

/* What a verdict leaves open of all that is signed: the n-th of the checks "tcb-level" (the age of
 * the firmware), "revocation" and "ak-binding" (whether a TPM's EK and AK are of one TPM, which
 * only who made the challenge can know) that was not made; NULL after the last. */
const char *verification_exception(const Verification *verification, size_t n);

/* {"report", "evidence", "shown", "verdict", "except", "testRoot", "chain", "checks"}; see
 * cvm-verify(7). NULL without memory. */
json_object *verification_to_json(const Verification *verification);
