/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include <string.h>

#include "base/json.h"
#include "verify/log_check.h"
#include "verify/register_check.h"
#include "verify/setting_check.h"
#include "verify/shown.h"
#include "verify/snp_chain.h"
#include "verify/snp_check.h"
#include "verify/table_trust.h"
#include "verify/tdx_chain.h"
#include "verify/tdx_check.h"

/* Everything of one verify_run(). */
typedef struct Run {
        const VerifyInputs *inputs;
        Evidence evidence;
        Trust trust; /* as given, and as the evidence adds to it */
        TableTrust table_trust;
        SeenRegisters seen;
        bool body; /* a quote whose body is known */
        Verification result;
} Run;

static void verify_run_done(Run *run)
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

static int verify_snp(Run *run, CvmError *error)
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

static int verify_tdx(Run *run, CvmError *error)
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

static int verify_pcrs(Run *run, CvmError *error)
{
        if (run->inputs->report_data)
                return cvm_error_invalid_spec(error, "report-data", "PCRs do not contain any");
        if (run->trust.leaf || run->trust.root || run->trust.others->n > 0)
                return cvm_error_invalid_spec(error, "cert-chain", "PCRs are not signed");
        return 0;
}

/* PCRs beside a signed report only matter to who expects some. */
static void add_pcrs(Run *run)
{
        const Expectation *expectation = run->inputs->expectation;
        const Pcrs *pcrs = &run->evidence.pcrs;
        Findings *findings = &run->result.findings;
        bool expected = run->result.kind == REPORT_PCRS;

        for (size_t i = 0; expectation && i < expectation->n_registers; i++)
                expected = expected || strncmp(expectation->registers[i].name, "PCR", 3) == 0;
        findings_unchecked(findings, expected ? NEEDED : NOT_NEEDED, "pcr-signature",
                           "the values of the PCRs are not signed");
        if (pcrs->skipped[0])
                findings_unchecked(findings, NOT_NEEDED, "pcr-banks",
                                   "unknown banks were skipped: %s", pcrs->skipped);
        seen_registers_add_pcrs(&run->seen, pcrs);
}

static int verify_log(Run *run, CvmError *error)
{
        const VerifyInputs *inputs = run->inputs;
        _cleanup_(event_log_done) EventLog log = {};
        ReportKind kind = run->result.kind;
        int r;

        if (!inputs->event_log.data)
                return 0;
        r = event_log_parse(inputs->event_log, &log, error);
        if (r < 0)
                return r;
        if (kind == REPORT_SEV_SNP && !run->evidence.pcrs.any)
                return cvm_error_invalid_spec(
                        error, "event-log",
                        "an SEV-SNP report has no registers that events extend");
        return log_check(&log, kind == REPORT_TDX ? LOG_TD : LOG_TPM, &run->seen,
                         inputs->expectation, &run->result.findings);
}

static int run_checks(Run *run, CvmError *error)
{
        static int (*const verify[])(Run *, CvmError *) = {
                [REPORT_SEV_SNP] = verify_snp,
                [REPORT_TDX] = verify_tdx,
                [REPORT_PCRS] = verify_pcrs,
        };
        int r = verify[run->result.kind](run, error);

        if (r < 0)
                return r;
        if (run->evidence.pcrs.any)
                add_pcrs(run);
        registers_check(&run->seen, run->inputs->expectation, &run->result.findings);
        settings_check_unseen(run->inputs->expectation, run->result.kind == REPORT_SEV_SNP,
                              run->body, &run->result.findings);
        r = verify_log(run, error);
        return r == 0 ? findings_finish(&run->result.findings) : r;
}

int verify_run(const VerifyInputs *inputs, Verification *ret, CvmError *error)
{
        _cleanup_(verify_run_done) Run run = {.inputs = inputs, .trust = inputs->trust};
        const Evidence *evidence = &run.evidence;
        int r = evidence_open(inputs->report, &run.evidence, error);

        if (r < 0)
                return r;
        run.result.kind = evidence->kind;
        run.result.evidence = json_build(
                "form", json_object_new_string(evidence_form_name(evidence->form)), "encoding",
                evidence->encoding ? json_object_new_string(evidence->encoding) : NULL, NULL);
        if (!run.result.evidence)
                return -ENOMEM;
        r = run_checks(&run, error);
        if (r < 0)
                return r;
        *ret = run.result;
        run.result = (Verification){};
        return 0;
}

void verification_done(Verification *verification)
{
        json_object_put(verification->evidence);
        json_object_put(verification->shown);
        findings_done(&verification->findings);
        *verification = (Verification){};
}

const char *verification_exception(const Verification *verification, size_t n)
{
        static const char *const names[] = {"tcb-level", "revocation"};
        const Findings *findings = &verification->findings;

        for (size_t i = 0; i < findings->n; i++)
                for (size_t j = 0; j < ARRAY_SIZE(names); j++)
                        if (findings->items[i].result == FINDING_NOT_CHECKED &&
                            strcmp(findings->items[i].check, names[j]) == 0 && n-- == 0)
                                return names[j];
        return NULL;
}

static json_object *exceptions_json(const Verification *verification)
{
        json_object *array = json_object_new_array();
        const char *name;

        for (size_t i = 0; (name = verification_exception(verification, i)); i++)
                json_object_array_add(array, json_object_new_string(name));
        return array;
}

json_object *verification_to_json(const Verification *verification)
{
        json_object *checks = findings_to_json(&verification->findings);

        if (!checks)
                return NULL;
        return json_build(
                "report", json_object_new_string(report_kind_name(verification->kind)), "evidence",
                json_object_get(verification->evidence), "shown",
                json_object_get(verification->shown), "verdict",
                json_object_new_string(verdict_name(findings_verdict(&verification->findings))),
                "except", exceptions_json(verification), "testRoot",
                json_object_new_boolean(verification->findings.other_root), "checks", checks, NULL);
}
