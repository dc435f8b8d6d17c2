/* SPDX-License-Identifier: Apache-2.0 */

/* Files of evidence of a running CVM. */

#include "fuzz.h"
#include "verify/attestation_verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(attestation_done) Attestation attestation = {};
        _cleanup_(verification_done) Verification verification = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        Certificates none = {};
        AttestationInputs inputs = {.attestation = &attestation,
                                    .binding = TPM_BINDING_CHALLENGE,
                                    .trust = {.others = &none, .at = 1780272000}};

        if (attestation_parse_file((Bytes){data, size}, &attestation, &error) < 0 ||
            attestation_verify(&inputs, &verification, &error) < 0)
                return 0;
        /* without a root and an expectation nothing is verified */
        if (findings_verdict(&verification.findings) == VERDICT_VERIFIED)
                abort();
        json_object_put(verification_to_json(&verification));
        return 0;
}
