/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify_platform.h"

#include <string.h>

#include "base/json.h"
#include "verify/shown.h"
#include "verify/snp_chain.h"
#include "verify/snp_check.h"
#include "verify/tdx_chain.h"
#include "verify/tdx_check.h"

void verify_run_done(VerifyRun *run)
{
        evidence_done(&run->evidence);
        table_trust_done(&run->table_trust);
        verification_done(&run->result);
}

/* What would have to be fetched. */
static void note_offline(Findings *findings, const char *level)
{
        findings_unchecked(findings, NOT_NEEDED, "revocation",
                           "revocation lists are not checked, because nothing is downloaded");
        findings_unchecked(findings, NOT_NEEDED, "tcb-level", "%s", level);
}

/* The guest got no say in REPORT_DATA: the paravisor had the report made. */
static void check_runtime_data(const HclReport *hcl, const SnpReport *report, Findings *findings)
{
        static const char check[] = "runtime-data";
        uint8_t expected[SNP_REPORT_DATA_SIZE] = {};
        HashDigest digest;

        if (!hcl->runtime_data.data || hcl->algorithm == _HASH_MAX) {
                findings_unchecked(findings, NEEDED, check,
                                   hcl->runtime_data.data
                                           ? "its digest is of type %u, which is unknown"
                                           : "the file does not contain it (digest type %u)",
                                   hcl->hash);
                return;
        }
        if (hash_bytes(hcl->algorithm, hcl->runtime_data.data, hcl->runtime_data.size, &digest) <
            0) {
                findings->no_memory = true;
                return;
        }
        memcpy(expected, digest.bytes, hash_size(hcl->algorithm));
        if (memcmp(expected, report->report_data, sizeof(expected)) == 0)
                findings_right(findings, NOT_NEEDED, check,
                               "REPORT_DATA is the %s digest of the HCL's runtime data, which "
                               "contains the public keys of its vTPM; it does not cover a nonce",
                               hash_name(hcl->algorithm));
        else
                findings_wrong(findings, check, "REPORT_DATA is not its digest");
        findings_values_hex(findings, (Bytes){expected, sizeof(expected)},
                            (Bytes){report->report_data, sizeof(expected)});
}

/* What the table has and nobody would find used elsewhere. */
static void note_table(const CertificateTable *table, Findings *findings)
{
        if (table->n_others > 0)
                findings_unchecked(findings, NOT_NEEDED, "certificate-table",
                                   "%zu of its entries are of unknown kinds and were not examined",
                                   table->n_others);
}

int verify_platform_snp(VerifyRun *run, CvmError *error)
{
        const VerifyInputs *inputs = run->inputs;
        Findings *findings = &run->result.findings;
        json_object *used = json_object_new_array();
        SnpReport report;
        int r;

        if (!used)
                return -ENOMEM;
        json_add(run->result.evidence, "certificates", used);
        r = snp_report_parse(run->evidence.report, &report, error);
        if (r == 0)
                r = table_trust_fill(&run->table_trust, &run->evidence.table, &report, &run->trust,
                                     used, error);
        if (r < 0)
                return r;
        snp_chain_check(&report, &run->trust, findings);
        snp_check(&report, inputs->expectation, inputs->report_data, findings);
        if (run->evidence.form == FORM_HCL_REPORT)
                check_runtime_data(&run->evidence.hcl, &report, findings);
        note_table(&run->evidence.table, findings);
        note_offline(findings, "you must decide whether this TCB is new enough");
        findings_values_hex(findings, (Bytes){}, (Bytes){report.reported_tcb, SNP_TCB_SIZE});
        seen_registers_add(&run->seen, "LaunchDigest", report.measurement);
        run->result.shown = shown_snp(&report, run->trust.leaf);
        return run->result.shown ? 0 : -ENOMEM;
}

static void see_quote(const TdxQuote *quote, SeenRegisters *seen)
{
        static const char *const names[TDX_RTMRS] = {"RTMR0", "RTMR1", "RTMR2", "RTMR3"};

        seen_registers_add(seen, "MRTD", quote->mrtd);
        for (size_t i = 0; i < TDX_RTMRS; i++)
                seen_registers_add(seen, names[i], quote->rtmr[i]);
}

int verify_platform_tdx(VerifyRun *run, CvmError *error)
{
        const VerifyInputs *inputs = run->inputs;
        Findings *findings = &run->result.findings;
        TdxQuote quote;
        int r;

        if (run->trust.leaf || run->trust.others->n > 0)
                return cvm_error_invalid_spec(error, run->trust.leaf ? "vcek" : "cert-chain",
                                              "a TDX quote contains its own certificates");
        r = tdx_quote_parse(run->evidence.report, &quote, error);
        if (r == 0)
                r = tdx_chain_check(&quote, &run->trust, findings, error);
        if (r < 0)
                return r;
        tdx_check(&quote, inputs->expectation, inputs->report_data, findings);
        note_offline(findings,
                     "Intel's TCB information is not checked, because nothing is downloaded");
        run->body = quote.has_body;
        if (quote.has_body) {
                findings_values_hex(findings, (Bytes){},
                                    (Bytes){quote.tee_tcb_svn, TDX_TCB_SVN_SIZE});
                see_quote(&quote, &run->seen);
        }
        run->result.shown = shown_tdx(&quote);
        return run->result.shown ? 0 : -ENOMEM;
}
