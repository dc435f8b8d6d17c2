/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * From an attestation and what is expected of it to findings and a verdict: the one entry to this
 * layer. Pure: it opens nothing and asks no clock.
 */

#include "verify/event_log.h"
#include "verify/evidence.h"
#include "verify/expectation.h"
#include "verify/trust.h"
#include "verify/verification.h"

#define VERIFY_REPORT_DATA_SIZE 64

/* All is borrowed. */
typedef struct VerifyInputs {
        Bytes report;                   /* see evidence.h */
        const Expectation *expectation; /* NULL: not given */
        Bytes event_log;                /* or not given */
        const uint8_t *report_data;     /* VERIFY_REPORT_DATA_SIZE bytes, or NULL: not given */
        Trust trust;
} VerifyInputs;

/* ArtifactInvalid "report" or "event-log" (no such thing), InvalidSpec (an input that this kind of
 * report does not take), or -errno. */
int verify_run(const VerifyInputs *inputs, Verification *ret, CvmError *error);
