/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a running CVM shows of itself to one client: the evidence object of cvm-attest(7), with what
 * the client saw of its connection. Nothing in it is trusted before attestation_verify.h has judged
 * it.
 *
 * A file of it, which `attest --evidence` writes, is {"attestation": 1, "channel": {"random",
 * "spki", "exporter"}, "evidence": {…}, "activation": {"date"}}; the channel's members are base64
 * of 32 bytes each. "activation" is there if the TPM opened a credential for the client.
 */

#include <json-c/json.h>

#include "base/attest_binding.h"
#include "base/error.h"
#include "measure/bytes.h"
#include "verify/pcrs.h"

#define ATTESTATION_VERSION 1
#define ATTESTATION_FILE_MAX (9u << 20) /* bytes */
#define ATTESTATION_QUOTES_MAX 2        /* one of each bank */
#define ATTESTATION_PARTS_MAX 16
#define ATTESTATION_DATE_MAX 32

typedef struct AttestedQuote {
        HashAlgorithm bank;
        Bytes attest, signature; /* TPMS_ATTEST, TPMT_SIGNATURE */
} AttestedQuote;

/* Parts that are not given have no data. */
typedef struct Attestation {
        AttestSession session;
        uint8_t binding[ATTEST_BINDING_SIZE];     /* computed from the session */
        uint8_t qualifier[ATTEST_QUALIFIER_SIZE]; /* likewise */
        Bytes report, report_certificates;        /* SEV-SNP */
        Bytes quote, ccel;                        /* TDX */
        bool has_svsm, all_services;              /* the manifest is that of all its services */
        Bytes svsm_report, svsm_certificates, svsm_manifest;
        bool has_tpm;
        Bytes ek, ek_certificate, ak, event_log;
        AttestedQuote quotes[ATTESTATION_QUOTES_MAX];
        size_t n_quotes;
        Pcrs pcrs;
        char activated[ATTESTATION_DATE_MAX]; /* "": no credential was opened */
        uint8_t *owned[ATTESTATION_PARTS_MAX];
        size_t n_owned;
} Attestation;

void attestation_done(Attestation *attestation);

/* The evidence object of a guest's answer. ArtifactInvalid "evidence", with the member: missing, of
 * another type, not base64, too large; nothing that a platform or a TPM signed. */
int attestation_parse(json_object *evidence, const AttestSession *session, Attestation *ret,
                      CvmError *error);
/* A file. ArtifactInvalid "evidence" likewise. */
int attestation_parse_file(Bytes file, Attestation *ret, CvmError *error);

/* The content of a file; evidence: borrowed. activated: a date, or NULL. NULL without memory. */
json_object *attestation_file(json_object *evidence, const AttestSession *session,
                              const char *activated);
