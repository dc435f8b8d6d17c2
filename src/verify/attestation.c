/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/attestation.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "base/json.h"
#include "base/text.h"

static const char artifact[] = "evidence";

/* A member that is base64 of up to `max` bytes. */
typedef struct AttestationPart {
        const char *name;
        size_t offset; /* of its Bytes */
        size_t max;
        bool needed;
} AttestationPart;

#define PART(member) offsetof(Attestation, member)

static const AttestationPart parts[] = {
        {"report", PART(report), 4096, false},
        {"reportCertificates", PART(report_certificates), 256u << 10, false},
        {"quote", PART(quote), 64u << 10, false},
        {"ccel", PART(ccel), 1u << 20, false},
        {},
};

static const AttestationPart svsm_parts[] = {
        {"report", PART(svsm_report), 4096, true},
        {"reportCertificates", PART(svsm_certificates), 256u << 10, false},
        {"manifest", PART(svsm_manifest), 64u << 10, true},
        {},
};

static const AttestationPart tpm_parts[] = {
        {"ekPublic", PART(ek), 1024, true},
        {"ekCertificate", PART(ek_certificate), 8192, false},
        {"akPublic", PART(ak), 1024, true},
        {"eventLog", PART(event_log), 1u << 20, false},
        {},
};

void attestation_done(Attestation *attestation)
{
        for (size_t i = 0; i < attestation->n_owned; i++)
                free(attestation->owned[i]);
        *attestation = (Attestation){};
}

static int attestation_decode(Attestation *attestation, json_object *object, const char *name,
                              size_t max, bool needed, Bytes *ret, CvmError *error)
{
        json_object *member = json_member(object, name);
        const char *text = json_member_string(object, name);
        uint8_t *data;
        size_t size;
        int r;

        if (!member && !needed)
                return 0;
        if (!text)
                return cvm_error_artifact(error, artifact, "%s must be a string", name);
        if (attestation->n_owned == ATTESTATION_PARTS_MAX)
                return cvm_error_artifact(error, artifact, "has too many parts");
        r = text_unbase64(text, &data, &size);
        if (r == -ENOMEM)
                return r;
        if (r < 0)
                return cvm_error_artifact(error, artifact, "%s is not base64", name);
        attestation->owned[attestation->n_owned++] = data;
        if (size == 0 || size > max)
                return cvm_error_artifact(error, artifact, "%s has %zu bytes; it may have 1 to %zu",
                                          name, size, max);
        *ret = (Bytes){data, size};
        return 0;
}

static int attestation_decode_parts(Attestation *attestation, json_object *object,
                                    const AttestationPart *part, CvmError *error)
{
        int r = 0;

        for (; r == 0 && part->name; part++)
                r = attestation_decode(attestation, object, part->name, part->max, part->needed,
                                       (Bytes *)((char *)attestation + part->offset), error);
        return r;
}

/* An object, or NULL if there is none. */
static int attestation_take_object(json_object *object, const char *name, json_object **ret,
                                   CvmError *error)
{
        *ret = json_member(object, name);
        if (*ret && !json_object_is_type(*ret, json_type_object))
                return cvm_error_artifact(error, artifact, "%s must be an object", name);
        return 0;
}

static int attestation_parse_svsm(Attestation *attestation, json_object *object, CvmError *error)
{
        const char *services = json_member_string(object, "services");

        if (!services || (strcmp(services, "vtpm") != 0 && strcmp(services, "all") != 0))
                return cvm_error_artifact(error, artifact, "svsm.services must be vtpm or all");
        attestation->has_svsm = true;
        attestation->all_services = strcmp(services, "all") == 0;
        return attestation_decode_parts(attestation, object, svsm_parts, error);
}

/* The values of a bank's PCRs, by their index. */
static int attestation_parse_pcrs(Attestation *attestation, json_object *array, HashAlgorithm bank,
                                  CvmError *error)
{
        if (!json_object_is_type(array, json_type_array) || json_object_array_length(array) != PCRS)
                return cvm_error_artifact(error, artifact, "pcrs must be an array of %d strings",
                                          PCRS);
        for (unsigned i = 0; i < PCRS; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                HashDigest *value = &attestation->pcrs.values[bank][i];

                if (!json_object_is_type(item, json_type_string) ||
                    hash_parse_hex(bank, json_object_get_string(item), value) < 0)
                        return cvm_error_artifact(error, artifact,
                                                  "PCR %u of bank %s is not %zu hex digits", i,
                                                  hash_name(bank), 2 * hash_size(bank));
                attestation->pcrs.has[bank][i] = attestation->pcrs.any = true;
        }
        return 0;
}

static int attestation_parse_quote(Attestation *attestation, json_object *object, CvmError *error)
{
        const char *name = json_member_string(object, "bank");
        AttestedQuote *quote = &attestation->quotes[attestation->n_quotes];
        HashAlgorithm bank = 0;
        int r;

        while (bank < _HASH_MAX && (!name || strcmp(name, hash_name(bank)) != 0))
                bank++;
        if (bank == _HASH_MAX)
                return cvm_error_artifact(error, artifact,
                                          "a quote's bank must be sha256 or "
                                          "sha384");
        if (attestation->pcrs.has[bank][0])
                return cvm_error_artifact(error, artifact, "has two quotes of bank %s", name);
        quote->bank = bank;
        r = attestation_decode(attestation, object, "attest", 1024, true, &quote->attest, error);
        if (r == 0)
                r = attestation_decode(attestation, object, "signature", 1024, true,
                                       &quote->signature, error);
        if (r == 0)
                r = attestation_parse_pcrs(attestation, json_member(object, "pcrs"), bank, error);
        attestation->n_quotes++;
        return r;
}

static int attestation_parse_tpm(Attestation *attestation, json_object *object, CvmError *error)
{
        json_object *quotes = json_member(object, "quotes");
        size_t n =
                json_object_is_type(quotes, json_type_array) ? json_object_array_length(quotes) : 0;
        int r;

        if (n == 0 || n > ATTESTATION_QUOTES_MAX)
                return cvm_error_artifact(error, artifact,
                                          "tpm.quotes must be an array of 1 or 2 quotes");
        attestation->has_tpm = true;
        r = attestation_decode_parts(attestation, object, tpm_parts, error);
        for (size_t i = 0; r == 0 && i < n; i++)
                r = attestation_parse_quote(attestation, json_object_array_get_idx(quotes, i),
                                            error);
        return r;
}

static int attestation_parse_evidence(Attestation *attestation, json_object *evidence,
                                      CvmError *error)
{
        json_object *svsm = NULL, *tpm = NULL;
        int r;

        if (!json_object_is_type(evidence, json_type_object))
                return cvm_error_artifact(error, artifact, "has no evidence object");
        if (json_member_int(evidence, "version", 0) != ATTESTATION_VERSION)
                return cvm_error_artifact(error, artifact, "is not of version %d",
                                          ATTESTATION_VERSION);
        r = attestation_take_object(evidence, "svsm", &svsm, error);
        if (r == 0)
                r = attestation_take_object(evidence, "tpm", &tpm, error);
        if (r == 0)
                r = attestation_decode_parts(attestation, evidence, parts, error);
        if (r == 0 && svsm)
                r = attestation_parse_svsm(attestation, svsm, error);
        if (r == 0 && tpm)
                r = attestation_parse_tpm(attestation, tpm, error);
        if (r < 0)
                return r;
        if (attestation->quote.data && (attestation->report.data || svsm))
                return cvm_error_artifact(error, artifact,
                                          "has both a report of SEV-SNP and a quote of TDX");
        if (!attestation->report.data && !attestation->quote.data && !svsm && !tpm)
                return cvm_error_artifact(error, artifact,
                                          "has nothing that a platform or a TPM signed");
        return 0;
}

int attestation_parse(json_object *evidence, const AttestSession *session, Attestation *ret,
                      CvmError *error)
{
        _cleanup_(attestation_done) Attestation attestation = {.session = *session};
        int r = attestation_parse_evidence(&attestation, evidence, error);

        if (r == 0)
                r = attest_binding(session, attestation.binding);
        if (r == 0)
                r = attest_binding_qualifier(attestation.binding, attestation.qualifier);
        if (r == 0)
                *ret = TAKE_STRUCT(attestation);
        return r;
}

static int attestation_take_32(json_object *channel, const char *name, uint8_t ret[static 32],
                               CvmError *error)
{
        const char *text = json_member_string(channel, name);
        _cleanup_free_ uint8_t *data = NULL;
        size_t size = 0;
        int r = text ? text_unbase64(text, &data, &size) : -EBADMSG;

        if (r == -ENOMEM)
                return r;
        if (r < 0 || size != 32)
                return cvm_error_artifact(error, artifact, "channel.%s must be base64 of 32 bytes",
                                          name);
        memcpy(ret, data, 32);
        return 0;
}

static int attestation_parse_channel(json_object *document, AttestSession *session, CvmError *error)
{
        json_object *channel = NULL;
        int r = attestation_take_object(document, "channel", &channel, error);

        if (r == 0)
                r = attestation_take_32(channel, "random", session->random, error);
        if (r == 0)
                r = attestation_take_32(channel, "spki", session->spki, error);
        if (r == 0)
                r = attestation_take_32(channel, "exporter", session->exporter, error);
        return r;
}

/* As attestation_file() has them: 2026-01-31T23:59:59Z, of a day that exists. */
static bool attestation_is_date(const char *text)
{
        static const char form[] = "0000-00-00T00:00:00Z";
        struct tm tm = {}, day;

        for (size_t i = 0; i < sizeof(form); i++)
                if (form[i] == '0' ? text[i] < '0' || text[i] > '9' : text[i] != form[i])
                        return false;
        if (sscanf(text, "%4d-%2d-%2dT%2d:%2d:%2dZ", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                   &tm.tm_hour, &tm.tm_min, &tm.tm_sec) != 6)
                return false;
        tm.tm_year -= 1900;
        tm.tm_mon--;
        day = tm;
        return timegm(&day) != -1 && day.tm_year == tm.tm_year && day.tm_mon == tm.tm_mon &&
               day.tm_mday == tm.tm_mday && day.tm_hour == tm.tm_hour && day.tm_min == tm.tm_min &&
               day.tm_sec == tm.tm_sec;
}

static int attestation_parse_activation(json_object *document, Attestation *attestation,
                                        CvmError *error)
{
        json_object *activation = NULL;
        const char *date;
        int r = attestation_take_object(document, "activation", &activation, error);

        if (r < 0 || !activation)
                return r;
        date = json_member_string(activation, "date");
        if (!date || !attestation_is_date(date) ||
            !text_copy(attestation->activated, sizeof(attestation->activated), date))
                return cvm_error_artifact(error, artifact,
                                          "activation.date must be a date in UTC, for example "
                                          "2026-01-31T23:59:59Z");
        return 0;
}

int attestation_parse_file(Bytes file, Attestation *ret, CvmError *error)
{
        _cleanup_(attestation_done) Attestation attestation = {};
        _cleanup_json_ json_object *document = NULL;
        AttestSession session;
        JsonParseError where;
        int r;

        if (file.size > ATTESTATION_FILE_MAX)
                return cvm_error_artifact(error, artifact, "is larger than %u bytes",
                                          ATTESTATION_FILE_MAX);
        r = json_parse((const char *)file.data, file.size, &document, &where);
        if (r == -EBADMSG)
                return cvm_error_artifact(error, artifact,
                                          "is not valid JSON (line %u, column %u): %s", where.line,
                                          where.column, where.reason);
        if (r < 0)
                return r;
        if (json_member_int(document, "attestation", 0) != ATTESTATION_VERSION)
                return cvm_error_artifact(error, artifact,
                                          "is not a file of cvmctl attest (version %d)",
                                          ATTESTATION_VERSION);
        r = attestation_parse_channel(document, &session, error);
        if (r == 0)
                r = attestation_parse(json_member(document, "evidence"), &session, &attestation,
                                      error);
        if (r == 0)
                r = attestation_parse_activation(document, &attestation, error);
        if (r == 0)
                *ret = TAKE_STRUCT(attestation);
        return r;
}

static json_object *attestation_base64(const uint8_t data[static 32])
{
        _cleanup_free_ char *text = text_base64(data, 32);

        return text ? json_object_new_string(text) : NULL;
}

json_object *attestation_file(json_object *evidence, const AttestSession *session,
                              const char *activated)
{
        json_object *channel = json_build("random", attestation_base64(session->random), "spki",
                                          attestation_base64(session->spki), "exporter",
                                          attestation_base64(session->exporter), NULL);
        json_object *activation =
                activated ? json_build("date", json_object_new_string(activated), NULL) : NULL;

        return json_build("attestation", json_object_new_int(ATTESTATION_VERSION), "channel",
                          channel, "evidence", json_object_get(evidence), "activation", activation,
                          NULL);
}
