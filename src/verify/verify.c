/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/verify.h"

#include "base/json.h"
#include "base/text.h"
#include "verify/log_check.h"
#include "verify/pcrs.h"
#include "verify/register_check.h"
#include "verify/setting_check.h"
#include "verify/snp_chain.h"
#include "verify/snp_check.h"
#include "verify/tdx_chain.h"
#include "verify/tdx_check.h"

const char *report_kind_name(ReportKind kind)
{
        static const char *const names[] = {"sev-snp", "tdx", "pcrs"};

        return names[kind];
}

/* By size first: as a quote's TEE type reads what is a guest's SVN in a report. What has no NUL is
 * text of that size. */
static bool is_snp_report(Bytes bytes)
{
        return bytes.size == SNP_REPORT_SIZE && memchr(bytes.data, 0, bytes.size);
}

/* What a report file holds. */
typedef struct Evidence {
        Bytes report;   /* raw; not given: there are PCRs only */
        uint8_t *owned; /* the report, where it was in base64 */
        Pcrs pcrs;
} Evidence;

static void evidence_done(Evidence *evidence)
{
        free(evidence->owned);
        *evidence = (Evidence){};
}

static int open_outblob(json_object *report, Evidence *evidence, CvmError *error)
{
        const char *text = json_member_string(report, "outblob");
        size_t size;
        int r;

        if (!text)
                return cvm_error_artifact(error, "report", "the answer's report has no outblob: %s",
                                          json_member_string(report, "error") ?: "no reason given");
        r = text_unbase64(text, &evidence->owned, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return cvm_error_artifact(error, "report", "outblob is no base64");
        evidence->report = (Bytes){evidence->owned, size};
        return 0;
}

/* The agent's answer, cvm-guest(7); without a TPM it has no PCRs, without a nonce no report. */
static int open_answer(Bytes text, Evidence *evidence, CvmError *error)
{
        _cleanup_json_ json_object *answer = NULL;
        json_object *report, *pcrs;
        JsonParseError where;
        int r = json_parse((const char *)text.data, text.size, &answer, &where);

        if (r == -EBADMSG)
                return cvm_error_artifact(error, "report", "line %u, column %u: %s", where.line,
                                          where.column, where.reason);
        if (r < 0)
                return r;
        report = json_member(answer, "report");
        pcrs = json_member(answer, "pcrs");
        if (pcrs)
                r = pcrs_parse_json(pcrs, &evidence->pcrs, error);
        if (r == 0 && report)
                r = open_outblob(report, evidence, error);
        return r;
}

static int open_evidence(Bytes file, Evidence *evidence, CvmError *error)
{
        int r = 0;

        if (file.size > VERIFY_REPORT_MAX)
                return cvm_error_artifact(error, "report", "is larger than %u bytes",
                                          VERIFY_REPORT_MAX);
        if (file.size == 0)
                return cvm_error_artifact(error, "report", "is empty");
        if (is_snp_report(file) || tdx_quote_is(file))
                evidence->report = file;
        else if (file.data[0] == '{')
                r = open_answer(file, evidence, error);
        else
                r = pcrs_parse_text(file, &evidence->pcrs, error);
        if (r == 0 && !evidence->report.data && !evidence->pcrs.any)
                return cvm_error_artifact(error, "report",
                                          "has neither a report nor PCRs of a SHA-2 bank");
        return r;
}

/* What would have to be fetched. */
static void note_offline(Findings *findings, const char *level)
{
        findings_unchecked(findings, NOT_NEEDED, "revocation",
                           "revocation lists are not asked: nothing is fetched");
        findings_unchecked(findings, NOT_NEEDED, "tcb-level", "%s", level);
}

static int verify_snp(const VerifyInputs *inputs, Bytes bytes, SeenRegisters *seen,
                      Findings *findings, CvmError *error)
{
        SnpReport report;
        int r = snp_report_parse(bytes, &report, error);

        if (r < 0)
                return r;
        snp_chain_check(&report, &inputs->trust, findings);
        snp_check(&report, inputs->expectation, inputs->report_data, findings);
        note_offline(findings, "whether this TCB is new enough is for you to say");
        findings_values_hex(findings, (Bytes){}, (Bytes){report.reported_tcb, SNP_TCB_SIZE});
        seen_registers_add(seen, "LaunchDigest", report.measurement);
        return 0;
}

static int verify_tdx(const VerifyInputs *inputs, Bytes bytes, SeenRegisters *seen,
                      Findings *findings, CvmError *error)
{
        static const char *const names[TDX_RTMRS] = {"RTMR0", "RTMR1", "RTMR2", "RTMR3"};
        TdxQuote quote;
        int r;

        if (inputs->trust.leaf || inputs->trust.others->n > 0)
                return cvm_error_invalid_spec(error, inputs->trust.leaf ? "vcek" : "cert-chain",
                                              "a TDX quote has its own certificates");
        r = tdx_quote_parse(bytes, &quote, error);
        if (r == 0)
                r = tdx_chain_check(&quote, &inputs->trust, findings, error);
        if (r < 0)
                return r;
        tdx_check(&quote, inputs->expectation, inputs->report_data, findings);
        note_offline(findings, "TCB information of Intel's is not asked: nothing is fetched");
        findings_values_hex(findings, (Bytes){}, (Bytes){quote.tee_tcb_svn, TDX_TCB_SVN_SIZE});
        seen_registers_add(seen, "MRTD", quote.mrtd);
        for (size_t i = 0; i < TDX_RTMRS; i++)
                seen_registers_add(seen, names[i], quote.rtmr[i]);
        return 0;
}

static int verify_pcrs(const VerifyInputs *inputs, CvmError *error)
{
        if (inputs->report_data)
                return cvm_error_invalid_spec(error, "report-data", "PCRs carry none");
        if (inputs->trust.leaf || inputs->trust.root || inputs->trust.others->n > 0)
                return cvm_error_invalid_spec(error, "cert-chain", "PCRs are not signed");
        return 0;
}

/* PCRs beside a signed report only matter to who expects some. */
static void add_pcrs(const VerifyInputs *inputs, ReportKind kind, const Pcrs *pcrs,
                     SeenRegisters *seen, Findings *findings)
{
        bool expected = kind == REPORT_PCRS;

        for (size_t i = 0; inputs->expectation && i < inputs->expectation->n_registers; i++)
                expected =
                        expected || strncmp(inputs->expectation->registers[i].name, "PCR", 3) == 0;
        findings_unchecked(findings, expected ? NEEDED : NOT_NEEDED, "pcr-signature",
                           "the values of the PCRs are not signed");
        seen_registers_add_pcrs(seen, pcrs);
}

static int verify_log(const VerifyInputs *inputs, ReportKind kind, const Pcrs *pcrs,
                      const SeenRegisters *seen, Findings *findings, CvmError *error)
{
        _cleanup_(event_log_done) EventLog log = {};
        int r;

        if (!inputs->event_log.data)
                return 0;
        r = event_log_parse(inputs->event_log, &log, error);
        if (r < 0)
                return r;
        if (kind == REPORT_SEV_SNP && !pcrs->any)
                return cvm_error_invalid_spec(
                        error, "event-log",
                        "an SEV-SNP report has no registers that events extend");
        return log_check(&log, kind == REPORT_TDX ? LOG_TD : LOG_TPM, seen, inputs->expectation,
                         findings);
}

int verify_run(const VerifyInputs *inputs, Verification *ret, CvmError *error)
{
        _cleanup_(verification_done) Verification result = {};
        _cleanup_(evidence_done) Evidence evidence = {};
        SeenRegisters seen = {};
        Findings *findings = &result.findings;
        int r = open_evidence(inputs->report, &evidence, error);

        if (r < 0)
                return r;
        if (!evidence.report.data)
                result.kind = REPORT_PCRS;
        else if (!is_snp_report(evidence.report) && tdx_quote_is(evidence.report))
                result.kind = REPORT_TDX;
        if (result.kind == REPORT_SEV_SNP)
                r = verify_snp(inputs, evidence.report, &seen, findings, error);
        else if (result.kind == REPORT_TDX)
                r = verify_tdx(inputs, evidence.report, &seen, findings, error);
        else
                r = verify_pcrs(inputs, error);
        if (r < 0)
                return r;
        if (evidence.pcrs.any)
                add_pcrs(inputs, result.kind, &evidence.pcrs, &seen, findings);
        registers_check(&seen, inputs->expectation, findings);
        settings_check_unseen(inputs->expectation, result.kind == REPORT_SEV_SNP,
                              result.kind == REPORT_TDX, findings);
        r = verify_log(inputs, result.kind, &evidence.pcrs, &seen, findings, error);
        if (r == 0)
                r = findings_finish(findings);
        if (r < 0)
                return r;
        *ret = result;
        result = (Verification){};
        return 0;
}

void verification_done(Verification *verification)
{
        findings_done(&verification->findings);
}

json_object *verification_to_json(const Verification *verification)
{
        json_object *checks = findings_to_json(&verification->findings);

        if (!checks)
                return NULL;
        return json_build(
                "report", json_object_new_string(report_kind_name(verification->kind)), "verdict",
                json_object_new_string(verdict_name(findings_verdict(&verification->findings))),
                "checks", checks, NULL);
}
