/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/evidence.h"

#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "verify/evidence_text.h"
#include "verify/snp_report.h"
#include "verify/tdx_quote.h"

#define RESPONSE_HEADER_SIZE 32
#define TDREPORT_SIZE 1024

const char *report_kind_name(ReportKind kind)
{
        static const char *const names[] = {"sev-snp", "tdx", "pcrs", "tpm"};

        return names[kind];
}

const char *evidence_form_name(EvidenceForm form)
{
        static const char *const names[] = {"report",     "extended-report", "report-response",
                                            "hcl-report", "quote",           "pcrs"};

        return names[form];
}

void evidence_done(Evidence *evidence)
{
        free(evidence->owned);
        *evidence = (Evidence){};
}

static bool evidence_is_zero(const uint8_t *data, size_t size)
{
        return size == 0 || (data[0] == 0 && memcmp(data, data + 1, size - 1) == 0);
}

/* MSG_REPORT_RSP: status, size of the report, zeros. */
static bool is_response(Bytes bytes)
{
        return bytes.size >= RESPONSE_HEADER_SIZE && le32_get(bytes.data + 4) == SNP_REPORT_SIZE &&
               evidence_is_zero(bytes.data + 8, RESPONSE_HEADER_SIZE - 8);
}

/* REPORTMACSTRUCT: the type of report, zeros. */
static bool is_tdreport(Bytes bytes)
{
        return bytes.size >= TDREPORT_SIZE && bytes.data[0] == 0x81 && bytes.data[1] == 0 &&
               bytes.data[3] == 0 && evidence_is_zero(bytes.data + 4, 12);
}

/* The report in front, and what may follow it. */
static int open_report(Bytes bytes, Evidence *evidence, CvmError *error)
{
        Bytes rest;
        int r;

        evidence->kind = REPORT_SEV_SNP;
        if (bytes.size <= SNP_REPORT_SIZE) {
                evidence->report = bytes;
                return 0;
        }
        evidence->report = (Bytes){bytes.data, SNP_REPORT_SIZE};
        rest = (Bytes){bytes.data + SNP_REPORT_SIZE, bytes.size - SNP_REPORT_SIZE};
        if (evidence_is_zero(rest.data, rest.size))
                return 0;
        r = certificate_table_parse(rest, &evidence->table, error);
        if (r < 0)
                return r;
        evidence->form = FORM_EXTENDED_REPORT;
        return 0;
}

static int open_response(Bytes bytes, Evidence *evidence, CvmError *error)
{
        uint32_t status = le32_get(bytes.data);
        int r;

        if (status != 0)
                return cvm_error_artifact(
                        error, "report",
                        "is the firmware's response to a failed request for a report: status 0x%x",
                        status);
        r = open_report(
                (Bytes){bytes.data + RESPONSE_HEADER_SIZE, bytes.size - RESPONSE_HEADER_SIZE},
                evidence, error);
        if (evidence->form == FORM_REPORT)
                evidence->form = FORM_REPORT_RESPONSE;
        return r;
}

/* What is recognised only to say what it is. */
static int evidence_refuse(Bytes bytes, CvmError *error)
{
        if (is_tdreport(bytes))
                return cvm_error_artifact(error, "report",
                                          "is a TDREPORT, which only the machine that created it "
                                          "can check; request a quote instead");
        if (bytes.size >= 4 && memcmp(bytes.data, "\xffTCG", 4) == 0)
                return cvm_error_artifact(error, "report",
                                          "is a TPM quote (TPMS_ATTEST), which cvmctl cannot "
                                          "check; use the output of tpm2_pcrread to compare PCRs");
        return cvm_error_artifact(error, "report",
                                  "has %zu bytes that are not an SEV-SNP report (%d bytes, alone "
                                  "or followed by certificates), a TDX quote or text",
                                  bytes.size, SNP_REPORT_SIZE);
}

/* By content first: sizes differ by what is before and behind. */
static int open_binary(Bytes bytes, Evidence *evidence, CvmError *error)
{
        int r;

        if (tdx_quote_is(bytes)) {
                evidence->kind = REPORT_TDX;
                evidence->form = FORM_QUOTE;
                evidence->report = bytes;
                return 0;
        }
        if (hcl_report_is(bytes)) {
                r = hcl_report_parse(bytes, &evidence->hcl, error);
                evidence->form = FORM_HCL_REPORT;
                evidence->report = evidence->hcl.report;
                return r;
        }
        if (is_response(bytes))
                return open_response(bytes, evidence, error);
        if (snp_report_is(bytes) || (bytes.size == SNP_REPORT_SIZE && !is_tdreport(bytes)))
                return open_report(bytes, evidence, error);
        return evidence_refuse(bytes, error);
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
                return cvm_error_artifact(error, "report", "outblob is not base64");
        return open_binary((Bytes){evidence->owned, size}, evidence, error);
}

/* The agent's answer, cvm-guest(7); without a TPM it has no PCRs, without a nonce no report. */
static int open_answer(Bytes text, Evidence *evidence, CvmError *error)
{
        _cleanup_json_ json_object *answer = NULL;
        json_object *report, *pcrs;
        JsonParseError where;
        int r = json_parse((const char *)text.data, text.size, &answer, &where);

        if (r == -EBADMSG)
                return cvm_error_artifact(error, "report",
                                          "is not valid JSON (line %u, column %u): %s", where.line,
                                          where.column, where.reason);
        if (r < 0)
                return r;
        evidence->encoding = "agent-answer";
        report = json_member(answer, "report");
        pcrs = json_member(answer, "pcrs");
        if (pcrs)
                r = pcrs_parse_json(pcrs, &evidence->pcrs, error);
        if (r == 0 && report)
                r = open_outblob(report, evidence, error);
        return r;
}

static int open_text(Bytes file, Evidence *evidence, CvmError *error)
{
        size_t size;
        int r = evidence_text_decode(file, &evidence->owned, &size, &evidence->encoding);

        if (r < 0)
                return r;
        if (evidence->owned)
                return open_binary((Bytes){evidence->owned, size}, evidence, error);
        if (file.data[evidence_text_begin(file)] == '{')
                return open_answer(file, evidence, error);
        return pcrs_parse_text(file, &evidence->pcrs, error);
}

int evidence_open(Bytes file, Evidence *ret, CvmError *error)
{
        _cleanup_(evidence_done) Evidence evidence = {};
        int r;

        if (file.size > EVIDENCE_MAX)
                return cvm_error_artifact(error, "report", "is larger than %u bytes", EVIDENCE_MAX);
        if (file.size == 0)
                return cvm_error_artifact(error, "report", "is empty");
        r = evidence_text_is(file) ? open_text(file, &evidence, error)
                                   : open_binary(file, &evidence, error);
        if (r < 0)
                return r;
        if (!evidence.report.data && !evidence.pcrs.any)
                return cvm_error_artifact(error, "report",
                                          "has neither a report nor PCRs of a SHA-2 bank");
        if (!evidence.report.data) {
                evidence.kind = REPORT_PCRS;
                evidence.form = FORM_PCRS;
        }
        *ret = TAKE_STRUCT(evidence);
        return 0;
}
