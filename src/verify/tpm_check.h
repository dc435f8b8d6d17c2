/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A vTPM's part of an attestation: whose TPM it is (EK), that the AK is of the same TPM, and what
 * the AK signed of its PCRs.
 *
 * Source: TCG, "TPM 2.0 Library", part 1, 24; "EK Credential Profile for TPM Family 2.0", 3.2
 * (certificates of EKs: extended key usage 2.23.133.8.1).
 */

#include "verify/attestation.h"
#include "verify/findings.h"
#include "verify/trust.h"

/* How it was seen that EK and AK are of one TPM. */
typedef enum TpmBinding {
        TPM_BINDING_NONE,      /* it was not */
        TPM_BINDING_RECORDED,  /* the file says so, and nobody signed that */
        TPM_BINDING_CHALLENGE, /* by a challenge of the caller's own */
        TPM_BINDING_REFUSED,   /* the TPM did not open what was encrypted to the EK for the AK */
} TpmBinding;

/* All is borrowed. */
typedef struct TpmInputs {
        const Attestation *attestation; /* with a TPM */
        Bytes manifest;                 /* what a signed report says that the EK is; or not given */
        const Trust *trust;             /* of the EK's certificate, if there is no manifest */
        TpmBinding binding;
        bool with_platform; /* there is a report or a quote of the processor's, too */
} TpmInputs;

/* Findings "svsm-manifest" or "ek-certificate", "certificates" and "ek-origin"; "ek", "ak",
 * "ak-binding"; for each bank "quote-BANK", "quote-signer-BANK", "quote-data-BANK" and
 * "quote-pcrs-BANK"; and with two banks "quote-start". *ret: the PCRs that a quote covers.
 * ArtifactInvalid "ek", "ak", "quote", "signature", "ek-certificate":
 * another structure. Returns 0 or -errno. */
int tpm_check(const TpmInputs *inputs, Pcrs *ret, Findings *findings, CvmError *error);
