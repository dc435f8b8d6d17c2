/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The guest's TPM 2.0, by tpm2-tss (ESAPI, device TCTI): its endorsement key by one of the default
 * templates of the TCG EK Credential Profile 2.5, an attestation key that this program makes,
 * quotes and the activation of a credential.
 *
 * The attestation key is restricted, so it signs nothing but what the TPM itself has made. It is a
 * primary key of the NULL hierarchy: each boot has another one, and no password of an owner is
 * required.
 *
 * Failures are told by a Lack; the -errno returned is only for control flow.
 */

#include "lack.h"

#define VTPM_DEVICE "/dev/tpmrm0"
#define VTPM_BLOB_MAX 1024
#define VTPM_CERTIFICATE_MAX 8192
#define VTPM_PCRS 24
#define VTPM_DIGEST_MAX 48
#define VTPM_QUALIFIER_SIZE 32

typedef enum VtpmKind { VTPM_ANY, VTPM_ECC, VTPM_RSA } VtpmKind;
typedef enum VtpmBank { VTPM_SHA256, VTPM_SHA384, _VTPM_BANK_MAX } VtpmBank;

typedef struct VtpmBlob {
        uint8_t bytes[VTPM_BLOB_MAX];
        size_t size;
} VtpmBlob;

typedef struct VtpmIdentity {
        VtpmKind kind;                 /* of both keys: ECC P-256 or RSA 2048 */
        char vendor[24];               /* manufacturer and vendor string, printable ASCII */
        VtpmBlob ek_public, ak_public; /* TPMT_PUBLIC */
        uint8_t *ek_certificate;       /* owned, DER; NULL: see `no_certificate` */
        size_t ek_certificate_size;
        Lack no_certificate;
} VtpmIdentity;

typedef struct VtpmQuote {
        VtpmBlob attest;    /* TPMS_ATTEST */
        VtpmBlob signature; /* TPMT_SIGNATURE */
        size_t digest_size; /* of a PCR */
        uint8_t pcrs[VTPM_PCRS][VTPM_DIGEST_MAX];
} VtpmQuote;

typedef struct Vtpm Vtpm;

/* Connects and makes both keys. VTPM_ANY: the kind of the endorsement key that has a certificate,
 * ECC before RSA; without any, ECC if the TPM has it. Returns 0 or -errno. */
int vtpm_open(const char *device, VtpmKind kind, Vtpm **ret, Lack *lack);
Vtpm *vtpm_free(Vtpm *vtpm);
DEFINE_CLEANUP(Vtpm *, vtpm_free)

/* Borrowed. */
const VtpmIdentity *vtpm_identity(const Vtpm *vtpm);

const char *vtpm_bank_name(VtpmBank bank); /* "sha256", "sha384" */

/* A quote over PCRs 0 to 23 of a bank, and the values that it is over. Returns 0 or -errno
 * (-ENOENT: the TPM does not have that bank). */
int vtpm_quote(Vtpm *vtpm, VtpmBank bank, const uint8_t qualifier[static VTPM_QUALIFIER_SIZE],
               VtpmQuote *ret, Lack *lack);

/* What TPM2_ActivateCredential returns for a credential (TPM2B_ID_OBJECT) and its secret
 * (TPM2B_ENCRYPTED_SECRET), both with their sizes before them. Returns 0 or -errno. */
int vtpm_activate(Vtpm *vtpm, const uint8_t *credential, size_t credential_size,
                  const uint8_t *secret, size_t secret_size, VtpmBlob *ret, Lack *lack);
