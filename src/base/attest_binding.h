/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The value by which attestation evidence belongs to one TLS 1.3 connection and one request,
 * cvm-attest(7). The guest has it signed by its platform and its TPM; the client computes it from
 * what it sees of its own connection, so relayed evidence does not match.
 */

#include "base/macros.h"

#define ATTEST_BINDING_SIZE 64   /* SHA-512: REPORT_DATA of SEV-SNP, REPORTDATA of TDX */
#define ATTEST_QUALIFIER_SIZE 32 /* SHA-256 of it: the qualifyingData of TPM2_Quote */

/* The label of RFC 9266 for the exporter of a TLS 1.3 connection; its context is empty. */
#define ATTEST_EXPORTER_LABEL "EXPORTER-Channel-Binding"

typedef struct AttestSession {
        uint8_t random[32];   /* of the client, fresh for each request */
        uint8_t spki[32];     /* SHA-256 of the server's SubjectPublicKeyInfo in DER */
        uint8_t exporter[32]; /* tls-exporter, RFC 9266 */
} AttestSession;

/* Returns 0 or -EIO (libcrypto failed). */
int attest_binding(const AttestSession *session, uint8_t ret[static ATTEST_BINDING_SIZE]);

/* The qualifyingData that belongs to a binding. Returns 0 or -EIO (libcrypto failed). */
int attest_binding_qualifier(const uint8_t binding[static ATTEST_BINDING_SIZE],
                             uint8_t ret[static ATTEST_QUALIFIER_SIZE]);
