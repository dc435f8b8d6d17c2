/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What was found out about an attestation. */

#include <json-c/json.h>

#include "verify/evidence.h"
#include "verify/findings.h"

typedef struct Verification {
        ReportKind kind;
        json_object *evidence; /* how the file had it, and which of its certificates were used */
        json_object *shown;    /* see shown.h; NULL of PCRs and of a TPM */
        bool chained;          /* it is shown as a chain, too (chain.h) */
        Findings findings;
} Verification;

void verification_done(Verification *verification);

/* What a verdict leaves open of all that is signed: the n-th of the checks "tcb-level" (the age of
 * the firmware), "revocation", "freshness" (which challenge a file's evidence answers) and
 * "ak-binding" (whether a TPM's EK and AK are of one TPM) that was not made; NULL after the last.
 * Only who made the challenge can know the last two. */
const char *verification_exception(const Verification *verification, size_t n);

/* Not verified, and the only needed check that was not made is "ak-binding". */
bool verification_lacks_only_binding(const Verification *verification);

/* {"report", "evidence", "shown", "verdict", "except", "testRoot", "chain", "checks"}; see
 * cvm-verify(7). NULL without memory. */
json_object *verification_to_json(const Verification *verification);
