/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an SEV-SNP report says of the guest, against what is expected of it. Its launch digest is a
 * register (register_check.h). */

#include "verify/expectation.h"
#include "verify/findings.h"
#include "verify/snp_report.h"

/* Findings "debug", "policy", "migration", "vmpl", "host-data", "report-data" and those of an ID
 * block. Without an expectation (NULL) or report data (NULL) what needs them is not checked. */
void snp_check(const SnpReport *report, const Expectation *expectation, const uint8_t *report_data,
               Findings *findings);
