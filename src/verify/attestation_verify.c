/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/attestation_verify.h"

#include <openssl/evp.h>
#include <string.h>

#include "base/json.h"
#include "verify/log_check.h"
#include "verify/setting_check.h"
#include "verify/snp_report.h"
#include "verify/svsm_manifest.h"
#include "verify/verify_platform.h"

DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

/* What the platform's part takes that differs from what the caller gave. */
typedef struct AttestationRun {
        const AttestationInputs *inputs;
        Expectation expectation; /* not owned: a copy with a VMPL of its own */
        VerifyInputs platform;
        uint8_t report_data[VERIFY_REPORT_DATA_SIZE];
        Bytes ek; /* that an SVSM's manifest names; or not given */
        VerifyRun run;
} AttestationRun;

/* REPORT_DATA of an SVSM's report: SHA-512(nonce ‖ manifest). */
static int attestation_hash_manifest(const Attestation *attestation,
                                     uint8_t ret[static VERIFY_REPORT_DATA_SIZE])
{
        _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();

        if (!context || EVP_DigestInit_ex2(context, EVP_sha512(), NULL) != 1)
                return -ENOMEM;
        return EVP_DigestUpdate(context, attestation->binding, ATTEST_BINDING_SIZE) == 1 &&
                               EVP_DigestUpdate(context, attestation->svsm_manifest.data,
                                                attestation->svsm_manifest.size) == 1 &&
                               EVP_DigestFinal_ex(context, ret, NULL) == 1
                       ? 0
                       : -EIO;
}

/* The SVSM's report, which only VMPL 0 can have. */
static int attestation_open_svsm(AttestationRun *this, CvmError *error)
{
        const Attestation *attestation = this->inputs->attestation;
        int r = attestation_hash_manifest(attestation, this->report_data);

        if (r == 0 && attestation->all_services)
                r = svsm_manifest_find_vtpm(attestation->svsm_manifest, &this->ek, error);
        else if (r == 0)
                this->ek = attestation->svsm_manifest;
        if (r < 0)
                return r;
        this->expectation.has_vmpl = true;
        this->expectation.vmpl = 0;
        this->platform.expectation = &this->expectation;
        this->run.evidence.report = attestation->svsm_report;
        return 0;
}

/* Beside an SVSM's report, that of the guest's own VMPL must be of the same guest and channel. Its
 * signature is not needed: all that is compared is what the SVSM's report says, too. */
static int attestation_check_guest_report(AttestationRun *this, CvmError *error)
{
        static const char check[] = "guest-report";
        const Attestation *attestation = this->inputs->attestation;
        Findings *findings = &this->run.result.findings;
        SnpReport guest, svsm;
        int r;

        if (!attestation->has_svsm || !attestation->report.data)
                return 0;
        r = snp_report_parse(attestation->report, &guest, error);
        if (r == 0)
                r = snp_report_parse(attestation->svsm_report, &svsm, error);
        if (r < 0)
                return r;
        if (memcmp(guest.report_data, attestation->binding, SNP_REPORT_DATA_SIZE) != 0)
                findings_wrong(findings, check, "its REPORT_DATA is not the binding");
        else if (memcmp(guest.chip_id, svsm.chip_id, SNP_CHIP_ID_SIZE) != 0)
                findings_wrong(findings, check, "it is of another chip than the SVSM's report");
        else if (memcmp(guest.measurement, svsm.measurement, SHA384_SIZE) != 0)
                findings_wrong(findings, check,
                               "it has another launch digest than the SVSM's report");
        else
                findings_right(findings, NOT_NEEDED, check,
                               "it has the binding, and the SVSM's report has the same chip and "
                               "launch digest");
        return 0;
}

static int attestation_check_snp(AttestationRun *this, CvmError *error)
{
        const Attestation *attestation = this->inputs->attestation;
        Bytes table = attestation->svsm_certificates.data ? attestation->svsm_certificates
                                                          : attestation->report_certificates;
        int r = 0;

        memcpy(this->report_data, attestation->binding, sizeof(this->report_data));
        this->run.evidence.report = attestation->report;
        if (attestation->has_svsm)
                r = attestation_open_svsm(this, error);
        if (r == 0 && table.data)
                r = certificate_table_parse(table, &this->run.evidence.table, error);
        if (r == 0)
                r = verify_platform_snp(&this->run, error);
        return r < 0 ? r : attestation_check_guest_report(this, error);
}

static int attestation_check_platform(AttestationRun *this, CvmError *error)
{
        const Attestation *attestation = this->inputs->attestation;

        switch (this->run.result.kind) {
        case REPORT_SEV_SNP:
                return attestation_check_snp(this, error);
        case REPORT_TDX:
                memcpy(this->report_data, attestation->binding, sizeof(this->report_data));
                this->run.evidence.report = attestation->quote;
                return verify_platform_tdx(&this->run, error);
        default:
                return 0;
        }
}

static bool attestation_expects_pcrs(const Expectation *expectation)
{
        for (size_t i = 0; expectation && i < expectation->n_registers; i++)
                if (strncmp(expectation->registers[i].name, "PCR", 3) == 0)
                        return true;
        return false;
}

static int attestation_check_tpm(AttestationRun *this, Pcrs *ret, CvmError *error)
{
        const AttestationInputs *inputs = this->inputs;
        Findings *findings = &this->run.result.findings;
        bool alone = this->run.result.kind == REPORT_TPM;
        const TpmInputs tpm = {
                .attestation = inputs->attestation,
                .manifest = this->ek,
                .trust = &this->run.trust,
                .binding = inputs->binding,
                .with_platform = !alone,
        };

        *ret = (Pcrs){};
        if (!inputs->attestation->has_tpm) {
                if (this->ek.data)
                        findings_unchecked(findings, NEEDED, "ek",
                                           "the guest shows no key of its vTPM");
                return 0;
        }
        if (!alone && !this->ek.data && !attestation_expects_pcrs(inputs->expectation)) {
                findings_unchecked(findings, NOT_NEEDED, "tpm", "no PCR is expected");
                return 0;
        }
        return tpm_check(&tpm, ret, findings, error);
}

static int attestation_check_log(AttestationRun *this, CvmError *error)
{
        const Attestation *attestation = this->inputs->attestation;
        bool td = this->run.result.kind == REPORT_TDX;
        Bytes bytes = td ? attestation->ccel : attestation->event_log;
        _cleanup_(event_log_done) EventLog log = {};
        int r;

        if (!bytes.data)
                return 0;
        r = event_log_parse(bytes, &log, error);
        return r < 0 ? r
                     : log_check(&log, td ? LOG_TD : LOG_TPM, &this->run.seen,
                                 this->inputs->expectation, &this->run.result.findings);
}

/* A file also says which channel its evidence belongs to. */
static void attestation_note_file(const AttestationInputs *inputs, Findings *findings)
{
        if (inputs->from_file)
                findings_unchecked(findings, NOT_NEEDED, "freshness",
                                   "the file says which challenge the evidence answers; only who "
                                   "made the challenge can know when that was");
}

static int attestation_run_checks(AttestationRun *this, CvmError *error)
{
        const Expectation *expectation = this->inputs->expectation;
        VerifyRun *run = &this->run;
        Findings *findings = &run->result.findings;
        Pcrs pcrs;
        int r = attestation_check_platform(this, error);

        if (r == 0)
                r = attestation_check_tpm(this, &pcrs, error);
        if (r < 0)
                return r;
        seen_registers_add_pcrs(&run->seen, &pcrs);
        run->seen.quoted = this->inputs->attestation->has_tpm;
        registers_check(&run->seen, expectation, findings);
        if (run->result.kind == REPORT_TPM || this->inputs->attestation->has_svsm)
                registers_check_kernel(expectation, findings);
        settings_check_unseen(expectation, run->result.kind == REPORT_SEV_SNP, run->body, findings);
        attestation_note_file(this->inputs, findings);
        r = attestation_check_log(this, error);
        return r == 0 ? findings_finish(findings) : r;
}

int attestation_verify(const AttestationInputs *inputs, Verification *ret, CvmError *error)
{
        const Attestation *attestation = inputs->attestation;
        AttestationRun this = {
                .inputs = inputs,
                .platform = {.expectation = inputs->expectation, .trust = inputs->trust},
                .run = {.trust = inputs->trust},
        };
        int r;

        if (inputs->expectation)
                this.expectation = *inputs->expectation;
        this.platform.report_data = this.report_data;
        this.run.inputs = &this.platform;
        this.run.result.chained = true;
        this.run.result.kind = attestation->quote.data                             ? REPORT_TDX
                               : attestation->report.data || attestation->has_svsm ? REPORT_SEV_SNP
                                                                                   : REPORT_TPM;
        this.run.result.evidence = json_build("form", json_object_new_string("attestation"), NULL);
        r = this.run.result.evidence ? attestation_run_checks(&this, error) : -ENOMEM;
        if (r == 0) {
                *ret = this.run.result;
                this.run.result = (Verification){};
        }
        verify_run_done(&this.run);
        return r;
}
