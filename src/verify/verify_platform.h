/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a processor's platform signed, SEV-SNP or TDX, against what is expected of it: a part of
 * verify.h and of attestation_verify.h. */

#include "verify/register_check.h"
#include "verify/table_trust.h"
#include "verify/verify.h"

/* All that one judgement works with. */
typedef struct VerifyRun {
        const VerifyInputs *inputs;
        Evidence evidence;
        Trust trust; /* as given, and as the evidence adds to it */
        TableTrust table_trust;
        SeenRegisters seen;
        bool body; /* a quote whose body is known */
        Verification result;
} VerifyRun;

void verify_run_done(VerifyRun *run);

/* Findings of the report, or of the quote, in run->evidence. Both return 0 or -errno; see
 * verify_run(). */
int verify_platform_snp(VerifyRun *run, CvmError *error);
int verify_platform_tdx(VerifyRun *run, CvmError *error);
