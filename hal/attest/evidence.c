/* SPDX-License-Identifier: Apache-2.0 */
#include "evidence.h"

#include <fcntl.h>
#include <string.h>

#include "base/file.h"
#include "base/json_write.h"
#include "base/text.h"
#include "tsm.h"

/* An object that is being made. */
typedef struct Evidence {
        EvidenceMaker *maker;
        const Ask *ask;
        uint8_t binding[ATTEST_BINDING_SIZE];
        JsonWriter text, missing;
        const char *report_by, *quote_by, *svsm_by, *tpm_by; /* for `vouchedBy`; may be NULL */
        VtpmKind ek_kind;                                    /* of the key that the SVSM states */
        TsmReport svsm;
} Evidence;

static void evidence_write_bytes(JsonWriter *writer, const char *key, const void *data, size_t size)
{
        _cleanup_free_ char *text = text_base64(data, size);

        if (text)
                json_write_text(writer, key, text);
        else
                writer->failed = true;
}

static void evidence_miss(Evidence *evidence, const char *claim, const Lack *lack)
{
        json_write_begin(&evidence->missing, NULL, '{');
        json_write_text(&evidence->missing, "claim", claim);
        json_write_text(&evidence->missing, "reason", lack->reason);
        json_write_text(&evidence->missing, "message", lack->message);
        json_write_end(&evidence->missing, '}');
}

/* A log of the firmware's, which only registers vouch for. */
static void evidence_add_log(Evidence *evidence, const char *key, const char *claim,
                             const char *path)
{
        _cleanup_free_ char *data = NULL;
        size_t size = 0;
        Lack lack;
        int r = file_read_at(AT_FDCWD, path, EVIDENCE_LOG_MAX, &data, &size);

        if (r == 0 && size > 0) {
                evidence_write_bytes(&evidence->text, key, data, size);
                return;
        }
        lack_set(&lack, r,
                 r == 0 || r == -ENOENT ? LACK_ABSENT
                 : r == -EFBIG          ? LACK_TOO_LARGE
                                        : LACK_FAILED,
                 "%s: %s", path, r == 0 ? "is empty" : strerror(-r));
        evidence_miss(evidence, claim, &lack);
}

static void evidence_add_tsm(Evidence *evidence)
{
        const EvidenceSources *sources = &evidence->maker->sources;
        _cleanup_(tsm_report_done) TsmReport report = {};
        JsonWriter *text = &evidence->text;
        bool tdx;
        Lack lack;

        if (tsm_get_report(sources->tsm, evidence->binding, &report, &lack) < 0) {
                evidence_miss(evidence, "tsm", &lack);
                return;
        }
        tdx = strcmp(report.provider, "tdx_guest") == 0;
        json_write_text(text, "provider", report.provider);
        evidence_write_bytes(text, tdx ? "quote" : "report", report.report.data,
                             report.report.size);
        if (tdx) {
                evidence->quote_by = "platform";
                evidence_add_log(evidence, "ccel", "ccel", sources->ccel);
                return;
        }
        evidence->report_by = "platform";
        if (report.privilege >= 0)
                json_write_int(text, "reportPrivilegeLevel", report.privilege);
        if (report.certificates.size)
                evidence_write_bytes(text, "reportCertificates", report.certificates.data,
                                     report.certificates.size);
}

/* What kind of key a TPMT_PUBLIC has: it begins with the algorithm (TPM 2.0 part 2). */
static VtpmKind evidence_manifest_kind(const TsmBlob *manifest)
{
        if (manifest->size < 2 || manifest->data[0] != 0)
                return VTPM_ANY;
        return manifest->data[1] == 0x01   ? VTPM_RSA
               : manifest->data[1] == 0x23 ? VTPM_ECC
                                           : VTPM_ANY;
}

static void evidence_add_svsm(Evidence *evidence)
{
        const char *tsm = evidence->maker->sources.tsm;
        JsonWriter *text = &evidence->text;
        TsmReport *report = &evidence->svsm;
        bool single = true;
        Lack lack;

        if (tsm_get_service_report(tsm, evidence->binding, true, report, &lack) < 0) {
                single = false;
                if (tsm_get_service_report(tsm, evidence->binding, false, report, &lack) < 0) {
                        evidence_miss(evidence, "svsm", &lack);
                        return;
                }
        }
        /* The vTPM of SVSMs that know only the manifest of all services has an RSA key. */
        evidence->ek_kind = single ? evidence_manifest_kind(&report->manifest) : VTPM_RSA;
        evidence->svsm_by = "platform";
        json_write_begin(text, "svsm", '{');
        json_write_text(text, "services", single ? "vtpm" : "all");
        evidence_write_bytes(text, "report", report->report.data, report->report.size);
        if (report->certificates.size)
                evidence_write_bytes(text, "reportCertificates", report->certificates.data,
                                     report->certificates.size);
        evidence_write_bytes(text, "manifest", report->manifest.data, report->manifest.size);
        if (single)
                json_write_int(text, "manifestVersion", 0);
        json_write_end(text, '}');
}

static void evidence_add_quote(Evidence *evidence, VtpmBank bank,
                               const uint8_t qualifier[static VTPM_QUALIFIER_SIZE])
{
        JsonWriter *text = &evidence->text;
        VtpmQuote quote;
        Lack lack;

        if (vtpm_quote(evidence->maker->tpm, bank, qualifier, &quote, &lack) < 0) {
                evidence_miss(evidence,
                              bank == VTPM_SHA256 ? "tpm.quotes.sha256" : "tpm.quotes.sha384",
                              &lack);
                return;
        }
        json_write_begin(text, NULL, '{');
        json_write_text(text, "bank", vtpm_bank_name(bank));
        evidence_write_bytes(text, "attest", quote.attest.bytes, quote.attest.size);
        evidence_write_bytes(text, "signature", quote.signature.bytes, quote.signature.size);
        json_write_begin(text, "pcrs", '[');
        for (size_t i = 0; i < VTPM_PCRS; i++) {
                _cleanup_free_ char *hex = text_hex(quote.pcrs[i], quote.digest_size);

                json_write_text(text, NULL, hex ?: "");
        }
        json_write_end(text, ']');
        json_write_end(text, '}');
}

/* Who says whose the endorsement key is. */
static const char *evidence_key_voucher(const Evidence *evidence, const VtpmIdentity *identity)
{
        const TsmBlob *manifest = &evidence->svsm.manifest;

        if (manifest->size && memmem(manifest->data, manifest->size, identity->ek_public.bytes,
                                     identity->ek_public.size))
                return "svsm";
        return identity->ek_certificate ? "certificate" : "guest";
}

static void evidence_add_identity(Evidence *evidence, const VtpmIdentity *identity)
{
        JsonWriter *text = &evidence->text;

        json_write_text(text, "vendor", identity->vendor);
        json_write_text(text, "ekType", identity->kind == VTPM_RSA ? "rsa-2048" : "ecc-p256");
        evidence_write_bytes(text, "ekPublic", identity->ek_public.bytes, identity->ek_public.size);
        if (identity->ek_certificate)
                evidence_write_bytes(text, "ekCertificate", identity->ek_certificate,
                                     identity->ek_certificate_size);
        else
                evidence_miss(evidence, "tpm.ekCertificate", &identity->no_certificate);
        evidence_write_bytes(text, "akPublic", identity->ak_public.bytes, identity->ak_public.size);
}

static void evidence_add_tpm(Evidence *evidence)
{
        EvidenceMaker *maker = evidence->maker;
        uint8_t qualifier[ATTEST_QUALIFIER_SIZE];
        const VtpmIdentity *identity;
        Lack lack;

        /* A request without the SVSM's report may have come first, and have had any kind of key. */
        if (maker->tpm && evidence->ek_kind != VTPM_ANY &&
            vtpm_identity(maker->tpm)->kind != evidence->ek_kind)
                maker->tpm = vtpm_free(maker->tpm);
        if (!maker->tpm &&
            vtpm_open(maker->sources.tpm, evidence->ek_kind, &maker->tpm, &lack) < 0) {
                evidence_miss(evidence, "tpm", &lack);
                return;
        }
        identity = vtpm_identity(maker->tpm);
        evidence->tpm_by = evidence_key_voucher(evidence, identity);
        json_write_begin(&evidence->text, "tpm", '{');
        evidence_add_identity(evidence, identity);
        json_write_begin(&evidence->text, "quotes", '[');
        if (attest_binding_qualifier(evidence->binding, qualifier) == 0)
                for (VtpmBank bank = 0; bank < _VTPM_BANK_MAX; bank++)
                        evidence_add_quote(evidence, bank, qualifier);
        else
                evidence->text.failed = true;
        json_write_end(&evidence->text, ']');
        evidence_add_log(evidence, "eventLog", "tpm.eventLog", maker->sources.event_log);
        json_write_end(&evidence->text, '}');
}

/* Writes the whole object. */
static void evidence_write(Evidence *evidence)
{
        JsonWriter *text = &evidence->text;
        json_object *missing;

        json_write_begin(&evidence->missing, NULL, '[');
        json_write_begin(text, NULL, '{');
        json_write_begin(text, "evidence", '{');
        json_write_int(text, "version", 1);
        json_write_text(text, "agentVersion", CVMD_VERSION);
        if (evidence->ask->tsm)
                evidence_add_tsm(evidence);
        if (evidence->ask->svsm)
                evidence_add_svsm(evidence);
        if (evidence->ask->tpm)
                evidence_add_tpm(evidence);
        json_write_begin(text, "vouchedBy", '{');
        json_write_text(text, "agentVersion", "guest");
        json_write_text(text, "report", evidence->report_by);
        json_write_text(text, "quote", evidence->quote_by);
        json_write_text(text, "svsm", evidence->svsm_by);
        json_write_text(text, "tpm", evidence->tpm_by);
        json_write_end(text, '}');
        json_write_end(&evidence->missing, ']');
        missing = json_writer_to_object(&evidence->missing);
        if (!missing)
                text->failed = true;
        json_write_tree(text, "missing", missing);
        json_object_put(missing);
        json_write_end(text, '}');
        json_write_end(text, '}');
}

static char *evidence_line(JsonWriter *writer)
{
        char *text = json_writer_take(writer), *line;

        line = text ? text_format("%s\n", text) : NULL;
        free(text);
        return line;
}

char *evidence_error(const char *reason, const char *field, const char *message)
{
        JsonWriter writer = {};

        json_write_begin(&writer, NULL, '{');
        json_write_begin(&writer, "error", '{');
        json_write_text(&writer, "reason", reason);
        json_write_text(&writer, "field", field);
        json_write_text(&writer, "message", message);
        json_write_end(&writer, '}');
        json_write_end(&writer, '}');
        return evidence_line(&writer);
}

static char *evidence_make(EvidenceMaker *maker, const Ask *ask, const AttestSession *session)
{
        Evidence evidence = {.maker = maker, .ask = ask};

        if (attest_binding(session, evidence.binding) < 0)
                return evidence_error(LACK_FAILED, NULL, "libcrypto failed");
        evidence_write(&evidence);
        tsm_report_done(&evidence.svsm);
        return evidence_line(&evidence.text);
}

static char *evidence_activate(EvidenceMaker *maker, const Ask *ask)
{
        JsonWriter writer = {};
        VtpmBlob digest;
        Lack lack;

        if (!maker->tpm)
                return evidence_error("no-tpm", NULL,
                                      "ask for evidence of a TPM first: without it there is no "
                                      "attestation key to which a credential could belong");
        if (vtpm_activate(maker->tpm, ask->credential.bytes, ask->credential.size,
                          ask->secret.bytes, ask->secret.size, &digest, &lack) < 0)
                return evidence_error(lack.reason, NULL, lack.message);
        json_write_begin(&writer, NULL, '{');
        evidence_write_bytes(&writer, "credential", digest.bytes, digest.size);
        json_write_end(&writer, '}');
        return evidence_line(&writer);
}

char *evidence_answer(EvidenceMaker *maker, const Ask *ask, const AttestSession *session)
{
        char *line;

        pthread_mutex_lock(&maker->mutex);
        line = ask->method == ASK_ACTIVATE ? evidence_activate(maker, ask)
                                           : evidence_make(maker, ask, session);
        pthread_mutex_unlock(&maker->mutex);
        return line;
}
