/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tdx_chain.h"

#include <stdio.h>
#include <string.h>

#include "verify/signature.h"

#define OID_SGX_EXTENSIONS "1.2.840.113741.1.13.1"
#define SGX_ATTRIBUTES 48
#define SGX_MRSIGNER 128
#define SGX_PRODUCT 256
#define SGX_REPORT_DATA 320
#define SGX_ATTRIBUTE_DEBUG 0x02
#define PRODUCT_TD_QE 2

/* Public key of "Intel SGX Root CA". */
static const KnownRoot intel_roots[] = {
        {"Intel SGX Root CA", {0xa0, 0xaf, 0x03, 0x12, 0x89, 0xf5, 0xd5, 0xd4, 0x13, 0x2f, 0x91,
                               0x86, 0x06, 0x8a, 0x7f, 0xc1, 0x36, 0x28, 0x63, 0x3b, 0xa2, 0x35,
                               0x77, 0x74, 0x72, 0xe2, 0x9b, 0x6b, 0x6c, 0x67, 0xa4, 0x9e}},
        {},
};

/* MRSIGNER of Intel's quoting enclave for TDs (its "QE identity" TD_QE). Without it any enclave
 * that a platform's owner may start could quote for TDs that do not exist. */
static const uint8_t intel_qe_signer[32] = {
        0xdc, 0x9e, 0x2a, 0x7c, 0x6f, 0x94, 0x8f, 0x17, 0x47, 0x4e, 0x34,
        0xa7, 0xfc, 0x43, 0xed, 0x03, 0x0f, 0x7c, 0x15, 0x63, 0xf1, 0xba,
        0xbd, 0xdf, 0x63, 0x40, 0xc8, 0x2e, 0x0e, 0x54, 0xa8, 0xc5,
};

static void tdx_chain_check_signature(const TdxQuote *quote, Findings *findings)
{
        EVP_PKEY *key = NULL;

        if (signature_key_p256(quote->key, &key) == 0 &&
            signature_verify(key, EVP_sha256(), quote->signature, quote->signature + P256_SIZE,
                             P256_SIZE, quote->signed_part))
                findings_right(findings, NEEDED, "signature", NULL);
        else
                findings_wrong(findings, "signature",
                               "it was not made by the quote's attestation key");
        EVP_PKEY_free(key);
}

/* The report of the quoting enclave must be about this key. */
static void check_binding(const TdxQuote *quote, Findings *findings)
{
        _cleanup_(hash_freep) Hash *hash = hash_new(HASH_SHA256);
        uint8_t expected[64] = {};
        HashDigest digest;

        if (hash) {
                hash_update(hash, quote->key, TDX_SCALARS_SIZE);
                hash_update(hash, quote->qe_auth.data, quote->qe_auth.size);
        }
        if (!hash || hash_finish(hash, &digest) < 0) {
                findings->no_memory = true;
                return;
        }
        memcpy(expected, digest.bytes, SHA256_SIZE);
        findings_compare(findings, NEEDED, "attestation-key", (Bytes){expected, sizeof(expected)},
                         (Bytes){quote->qe_report + SGX_REPORT_DATA, sizeof(expected)});
}

static void check_identity(const TdxQuote *quote, Findings *findings)
{
        const uint8_t *report = quote->qe_report;

        if (memcmp(report + SGX_MRSIGNER, intel_qe_signer, sizeof(intel_qe_signer)) != 0) {
                findings_wrong(findings, "qe-identity", "the quoting enclave is not Intel's");
                findings_values_hex(findings, (Bytes){intel_qe_signer, sizeof(intel_qe_signer)},
                                    (Bytes){report + SGX_MRSIGNER, sizeof(intel_qe_signer)});
        } else if (le16_get(report + SGX_PRODUCT) != PRODUCT_TD_QE) {
                findings_wrong(findings, "qe-identity",
                               "the quoting enclave is product %u, not the one for TDs",
                               le16_get(report + SGX_PRODUCT));
        } else if (report[SGX_ATTRIBUTES] & SGX_ATTRIBUTE_DEBUG) {
                findings_wrong(findings, "qe-identity", "the quoting enclave is in debug mode");
        } else {
                findings_right(findings, NEEDED, "qe-identity", NULL);
        }
}

static void check_qe_signature(const TdxQuote *quote, X509 *pck, Findings *findings)
{
        EVP_PKEY *key = X509_get0_pubkey(pck);

        if (key && signature_key_is(key, "P-256") &&
            signature_verify(key, EVP_sha256(), quote->qe_signature,
                             quote->qe_signature + P256_SIZE, P256_SIZE,
                             (Bytes){quote->qe_report, TDX_QE_REPORT_SIZE}))
                findings_right(findings, NEEDED, "qe-signature", NULL);
        else
                findings_wrong(findings, "qe-signature", "it was not made by the PCK");
}

static void tdx_chain_check_links(const Certificates *chain, const Trust *given, Findings *findings)
{
        Trust trust = {
                .leaf = chain->items[0], .others = chain, .root = given->root, .at = given->at};

        if (certificate_extension(trust.leaf, OID_SGX_EXTENSIONS).data)
                trust_check(&trust, intel_roots, "Intel's", NULL, findings);
        else
                findings_wrong(findings, "certificates",
                               "the first certificate is not that of a PCK: it has no "
                               "extension " OID_SGX_EXTENSIONS);
}

/* From this link on nothing leads further. */
static int leave_unchecked(const char *from, const char *reason, Findings *findings)
{
        static const char *const names[] = {"signature", "attestation-key", "qe-identity",
                                            "qe-signature", "certificates"};
        bool reached = false;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                reached = reached || strcmp(names[i], from) == 0;
                if (reached)
                        findings_unchecked(findings, NEEDED, names[i], "%s", reason);
        }
        return 0;
}

int tdx_chain_check(const TdxQuote *quote, const Trust *trust, Findings *findings, CvmError *error)
{
        _cleanup_(certificates_done) Certificates chain = {};
        char reason[96];
        int r;

        snprintf(reason, sizeof(reason),
                 "the attestation key is of type %u, which is unknown; only 2 (ECDSA P-256) is "
                 "known",
                 quote->key_type);
        if (!quote->signature)
                return leave_unchecked("signature", reason, findings);
        tdx_chain_check_signature(quote, findings);
        snprintf(reason, sizeof(reason),
                 "the certification data is of type %u, which is unknown; only 6 is known",
                 quote->certification_type);
        if (!quote->qe_report)
                return leave_unchecked("attestation-key", reason, findings);
        check_binding(quote, findings);
        check_identity(quote, findings);
        if (!quote->pck_chain.data)
                return leave_unchecked("qe-signature",
                                       "the quote has no certificate chain for its PCK", findings);
        r = certificates_add(&chain, "report", quote->pck_chain, error);
        if (r < 0)
                return r;
        check_qe_signature(quote, chain.items[0], findings);
        tdx_chain_check_links(&chain, trust, findings);
        return 0;
}
