/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who signed a TDX quote: the quoting enclave's attestation key, bound to a report of the enclave,
 * which the platform's PCK signed, which Intel's root vouches for.
 *
 * Source: Intel, "TDX DCAP Quoting Library API", appendix A.3; "Intel SGX PCK Certificate and
 * Certificate Revocation List Profile Specification".
 */

#include "verify/tdx_quote.h"
#include "verify/trust.h"

/* Findings "signature", "attestation-key", "qe-signature", "qe-identity" and "certificates". Of the
 * trust only root and time are used: the chain is in the quote. Returns 0 or ArtifactInvalid: the
 * chain in the quote is none. */
int tdx_chain_check(const TdxQuote *quote, const Trust *trust, Findings *findings, CvmError *error);
