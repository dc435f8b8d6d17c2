/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* An SEV-SNP report that is made here, with everything in it that can be expected, and signed. */

#include "verify-images.h"
#include "verify/snp_report.h"

typedef struct MadeReport {
        uint8_t report[SNP_REPORT_SIZE];
        uint8_t id_block[96], id_auth[4096], report_data[64];
        MadeVcek vcek;
        MadeChain chain;
        Certificates others; /* borrowed from the chain */
        Expectation expectation;
} MadeReport;

/* Of that version, with the layout and chip of a Turin or of what came before. */
void made_report_init(MadeReport *this, uint32_t version, bool turin, bool vlek);
void made_report_done(MadeReport *this);
/* Borrows all of it; the verdict is VERDICT_VERIFIED. */
VerifyInputs made_report_inputs(const MadeReport *this);
/* Nothing but the launch digest that a report has. */
void made_report_expect_digest(Expectation *ret, const uint8_t *report);
