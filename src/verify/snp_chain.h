/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Who signed an SEV-SNP report: VCEK or VLEK, ASK, ARK.
 *
 * Source: AMD, "Versioned Chip Endorsement Key (VCEK) Certificate and KDS Interface Specification"
 * (document 57230), chapter 3 (extensions), and 56860, table "TCB_VERSION Structure".
 */

#include "verify/snp_report.h"
#include "verify/trust.h"

/* Findings "signature", "certificates", "certificate-tcb" and "chip-id". */
void snp_chain_check(const SnpReport *report, const Trust *trust, Findings *findings);
