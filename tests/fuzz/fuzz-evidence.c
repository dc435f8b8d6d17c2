/* SPDX-License-Identifier: Apache-2.0 */

/* Files that hold an attestation in any form, with certificates behind it that may be used. */

#include "fuzz.h"
#include "verify/shown.h"
#include "verify/table_trust.h"
#include "verify/verify.h"

static void show(const Evidence *evidence)
{
        _cleanup_(cvm_error_done) CvmError error = {}, other = {};
        _cleanup_(table_trust_done) TableTrust table_trust = {};
        Certificates none = {};
        Trust trust = {.others = &none};
        json_object *used = json_object_new_array(), *shown = NULL;
        SnpReport report;
        TdxQuote quote;

        if (evidence->kind == REPORT_SEV_SNP &&
            snp_report_parse(evidence->report, &report, &error) == 0) {
                table_trust_fill(&table_trust, &evidence->table, &report, &trust, used, &other);
                shown = shown_snp(&report, trust.leaf);
        } else if (evidence->kind == REPORT_TDX &&
                   tdx_quote_parse(evidence->report, &quote, &error) == 0) {
                shown = shown_tdx(&quote);
        }
        json_object_put(shown);
        json_object_put(used);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {}, other = {};
        Verification verification = {};
        Certificates none = {};
        VerifyInputs inputs = {.report = {data, size}, .trust = {.others = &none}};
        Evidence evidence;

        if (evidence_open((Bytes){data, size}, &evidence, &error) < 0)
                return 0;
        show(&evidence);
        evidence_done(&evidence);
        if (verify_run(&inputs, &verification, &other) < 0)
                return 0;
        /* Nothing is expected, and no root is given. */
        if (findings_verdict(&verification.findings) == VERDICT_VERIFIED)
                abort();
        json_object_put(verification_to_json(&verification));
        verification_done(&verification);
        return 0;
}
