/* SPDX-License-Identifier: Apache-2.0 */

/* PCRs as text: whatever a report can be that is neither a report nor a quote. */

#include "fuzz.h"
#include "verify/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Verification verification = {};
        Certificates none = {};
        VerifyInputs inputs = {.report = {data, size}, .trust = {.others = &none}};

        if (verify_run(&inputs, &verification, &error) < 0)
                return 0;
        if (findings_verdict(&verification.findings) == VERDICT_VERIFIED)
                abort();
        json_object_put(verification_to_json(&verification));
        verification_done(&verification);
        return 0;
}
