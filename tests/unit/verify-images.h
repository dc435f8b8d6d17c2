/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Attestations that nobody's hardware made: reports and quotes signed by keys that are made here,
 * with chains of certificates that can be wrong in one thing. cmocka's test fails where libcrypto
 * does. */

#include <openssl/evp.h>
#include <openssl/x509.h>

#include "test.h"
#include "verify/verify.h"

/* When the made certificates are valid: a year around this time. */
#define MADE_AT 1750000000
#define MADE_SPAN (180 * 86400)

typedef struct MadeKey {
        EVP_PKEY *key;
        X509 *certificate;
} MadeKey;

/* Root, intermediate and leaf, each signed by the one before. */
typedef struct MadeChain {
        MadeKey root, middle, leaf;
} MadeChain;

typedef struct Extension {
        const char *oid;
        const uint8_t *data; /* DER, or what AMD puts there */
        int size;
} Extension;

/* `curve` is of the leaf. Extensions are ended by {}. */
MadeChain made_chain(const char *curve, const char *leaf_name, const Extension *extensions);
void made_chain_done(MadeChain *chain);
/* Another certificate for the same key, signed by `issuer`, valid from and until so many seconds
 * after MADE_AT; the old one is freed. */
void made_key_certify(MadeKey *key, const MadeKey *issuer, const char *name,
                      const Extension *extensions, long from, long until);

/* A chain of a VCEK (or VLEK, without a chip) for this TCB and chip id, in the layout of Turin or
 * of what came before. */
typedef struct MadeVcek {
        const char *name;
        uint8_t tcb[8];
        uint8_t chip[64];
        bool turin, vlek;
} MadeVcek;
MadeChain made_vcek_chain(const MadeVcek *vcek);

/* Signs the first 0x2a0 bytes of a report. */
void made_report_sign(uint8_t report[static 1184], EVP_PKEY *key);

/* A quote with its chain, `version` 4 or 5, `body` 2 (TD 1.0) or 3 (TD 1.5); its parts are signed
 * by made_quote_sign(), so that a test may change them before. */
typedef struct MadeQuote {
        uint8_t data[16384];
        size_t size;
        uint8_t *body;      /* of the TD */
        uint8_t *signature; /* 64 bytes; the key follows */
        uint8_t *qe_report;
        size_t signed_size;
        EVP_PKEY *key; /* the attestation key */
} MadeQuote;
void made_quote(MadeQuote *quote, int version, int body, const MadeChain *chain);
void made_quote_sign(MadeQuote *quote, EVP_PKEY *pck);
void made_quote_done(MadeQuote *quote);

/* 2026-01-01: the certificates of tests/vectors are valid. */
#define VECTOR_AT 1767225600
/* A file of tests/vectors; freed by the caller. */
Bytes vector_load(const char *name);

/* From a text with ' for ", or NULL. */
Expectation expectation_of(const char *text, ...) _printf_(1, 2);
const Finding *finding_of(const Verification *verification, const char *check);

/* Its verdict; a report that cannot be read is wrong. */
Verdict verdict_of(const VerifyInputs *inputs);
/* That this check ends so; if it is wrong, so is the verdict. */
void assert_finding(const VerifyInputs *inputs, const char *check, FindingResult result);
