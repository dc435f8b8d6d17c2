/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include <string.h>

#include "base/json.h"
#include "verify/log_check.h"
#include "verify/register_check.h"
#include "verify/setting_check.h"
#include "verify/verify_platform.h"

static int verify_pcrs(VerifyRun *run, CvmError *error)
{
        if (run->inputs->report_data)
                return cvm_error_invalid_spec(error, "report-data", "PCRs do not contain any");
        if (run->trust.leaf || run->trust.root || run->trust.others->n > 0)
                return cvm_error_invalid_spec(error, "cert-chain", "PCRs are not signed");
        return 0;
}

/* PCRs in addition to a signed report only matter to who expects some. */
static void add_pcrs(VerifyRun *run)
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

static int verify_log(VerifyRun *run, CvmError *error)
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

static int run_checks(VerifyRun *run, CvmError *error)
{
        static int (*const verify[])(VerifyRun *, CvmError *) = {
                [REPORT_SEV_SNP] = verify_platform_snp,
                [REPORT_TDX] = verify_platform_tdx,
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
        _cleanup_(verify_run_done) VerifyRun run = {.inputs = inputs, .trust = inputs->trust};
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
