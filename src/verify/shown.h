/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an attestation says of its platform, for a person or a policy to judge: no check is made of
 * it here. It holds as far as the checks "signature" and "certificates" do.
 *
 * Source: AMD, 56860, "PLATFORM_INFO Field"; Intel, "TDX Module ABI", TD_INFO (XFAM), and "SGX
 * Developer Reference", REPORTBODY (ISVSVN).
 */

#include <json-c/json.h>

#include "verify/snp_report.h"
#include "verify/tdx_quote.h"
#include "verify/trust.h"

/* Objects as cvm-verify(7) documents them; NULL without memory. leaf may be NULL. */
json_object *shown_snp(const SnpReport *report, X509 *leaf);
json_object *shown_tdx(const TdxQuote *quote);
