/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a TDX quote says of the TD, against what is expected of it. MRTD and RTMRs are registers
 * (register_check.h). */

#include "verify/expectation.h"
#include "verify/findings.h"
#include "verify/tdx_quote.h"

/* Findings "tdx-module", "debug", "attributes", "migration", "service-td", "mr-config-id",
 * "mr-owner", "mr-owner-config" and "report-data". Without an expectation (NULL) or report data
 * (NULL) what needs them is not checked. */
void tdx_check(const TdxQuote *quote, const Expectation *expectation, const uint8_t *report_data,
               Findings *findings);
