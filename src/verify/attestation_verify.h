/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From what a running CVM showed to findings and a verdict. Pure, as verify.h. */

#include "verify/attestation.h"
#include "verify/tpm_check.h"
#include "verify/verify.h"

/* All is borrowed. */
typedef struct AttestationInputs {
        const Attestation *attestation;
        const Expectation *expectation; /* NULL: not given */
        TpmBinding binding;
        Trust trust;
        bool from_file; /* the caller did not see the channel itself */
} AttestationInputs;

/* Where the kernel is measured into a TPM, the TPM is followed up to what vouches for it: the
 * report of an SVSM, or a certificate of its EK. Returns 0, ArtifactInvalid, which names the part,
 * InvalidSpec as verify_run(), or -errno. */
int attestation_verify(const AttestationInputs *inputs, Verification *ret, CvmError *error);
