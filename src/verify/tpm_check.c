/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tpm_check.h"

#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "verify/tpm_attest.h"

#define EK_PURPOSE "2.23.133.8.1" /* tcg-kp-EKCertificate */
#define TPM_CHECK_NAME_MAX 32

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(ASN1_OBJECT *, ASN1_OBJECT_free)

static bool tpm_check_is_for_ek(X509 *certificate)
{
        _cleanup_(ASN1_OBJECT_freep) ASN1_OBJECT *wanted = OBJ_txt2obj(EK_PURPOSE, 1);
        EXTENDED_KEY_USAGE *usage = X509_get_ext_d2i(certificate, NID_ext_key_usage, NULL, NULL);
        bool found = false;

        for (int i = 0; wanted && i < sk_ASN1_OBJECT_num(usage); i++)
                found = found || OBJ_cmp(sk_ASN1_OBJECT_value(usage, i), wanted) == 0;
        EXTENDED_KEY_USAGE_free(usage);
        ERR_clear_error();
        return found;
}

/* The certificate is of this EK, for an EK, and leads to the root that is given. */
static int tpm_check_certificate(const TpmInputs *inputs, const TpmPublic *ek, Findings *findings,
                                 CvmError *error)
{
        static const char check[] = "ek-certificate";
        static const KnownRoot none[] = {{}};
        _cleanup_(certificates_done) Certificates certificates = {};
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        Trust trust = *inputs->trust;
        int r = certificates_add_der(&certificates, check, inputs->attestation->ek_certificate,
                                     error);

        if (r < 0)
                return r;
        r = tpm_public_key(ek, &key);
        if (r < 0 && r != -EINVAL)
                return r;
        trust.leaf = certificates.items[0];
        if (!key || EVP_PKEY_eq(X509_get0_pubkey(trust.leaf), key) != 1)
                findings_wrong(findings, check, "it is the certificate of another key");
        else if (!tpm_check_is_for_ek(trust.leaf))
                findings_wrong(findings, check,
                               "it is not a certificate of an EK (extended key usage %s)",
                               EK_PURPOSE);
        else if (X509_check_ca(trust.leaf) != 0)
                findings_wrong(findings, check, "it is the certificate of an authority (CA)");
        else
                findings_right(findings, NEEDED, check, "it is of this EK");
        ERR_clear_error();
        if (trust.root)
                trust_check(&trust, none, "a maker's", NULL, findings);
        else
                findings_unchecked(findings, NEEDED, "certificates",
                                   "no root is given for the certificate of the EK (--root-ca)");
        findings_unchecked(findings, NOT_NEEDED, "revocation",
                           "revocation lists are not checked, because nothing is downloaded");
        return 0;
}

/* Whose TPM it is. */
static int tpm_check_origin(const TpmInputs *inputs, const TpmPublic *ek, Findings *findings,
                            CvmError *error)
{
        Bytes manifest = inputs->manifest;

        if (manifest.data) {
                if (bytes_equal(manifest, ek->bytes.data, ek->bytes.size))
                        findings_right(findings, NEEDED, "svsm-manifest",
                                       "the SVSM's report covers this EK");
                else
                        findings_wrong(findings, "svsm-manifest",
                                       "the SVSM's report covers another EK");
                return 0;
        }
        if (inputs->with_platform) {
                findings_unchecked(findings, NEEDED, "ek-origin",
                                   "no report of an SVSM covers the EK: only the guest's kernel "
                                   "says that this TPM is the CVM's, whatever certificate the EK "
                                   "has");
                return 0;
        }
        if (inputs->attestation->ek_certificate.data)
                return tpm_check_certificate(inputs, ek, findings, error);
        findings_unchecked(findings, NEEDED, "ek-origin",
                           "the EK has no certificate and no report of an SVSM covers it: only the "
                           "guest's kernel vouches for this TPM");
        return 0;
}

static void tpm_check_key(const char *check, const char *reason, Findings *findings)
{
        if (reason)
                findings_wrong(findings, check, "%s", reason);
        else
                findings_right(findings, NEEDED, check, NULL);
}

static void tpm_check_binding(const TpmInputs *inputs, Findings *findings)
{
        static const char check[] = "ak-binding";

        switch (inputs->binding) {
        case TPM_BINDING_CHALLENGE:
                findings_right(findings, NEEDED, check,
                               "the TPM of this EK opened a credential for this AK");
                break;
        case TPM_BINDING_RECORDED:
                findings_unchecked(findings, NEEDED, check,
                                   "as seen by the attester of %s; only who made the challenge can "
                                   "know",
                                   inputs->attestation->activated);
                break;
        case TPM_BINDING_REFUSED:
                findings_wrong(findings, check,
                               "the TPM of this EK did not open a credential for this AK");
                break;
        case TPM_BINDING_NONE:
                findings_unchecked(findings, NEEDED, check,
                                   "no credential was opened: nothing shows that EK and AK are of "
                                   "one TPM");
                break;
        }
}

static void tpm_check_name(const char *what, HashAlgorithm bank, char ret[TPM_CHECK_NAME_MAX])
{
        snprintf(ret, TPM_CHECK_NAME_MAX, "%s-%s", what, hash_name(bank));
}

/* Whether the quote covers PCRs of this bank alone. */
static bool tpm_check_is_of_bank(const TpmAttest *attest, HashAlgorithm bank)
{
        return attest->n_selections == 1 && attest->selections[0].bank == bank;
}

static int tpm_check_digest(const TpmAttest *attest, const TpmSignature *signature,
                            const AttestedQuote *quote, const Pcrs *pcrs, Findings *findings)
{
        char check[TPM_CHECK_NAME_MAX];
        HashDigest digest;
        unsigned index;
        uint16_t id;
        int r;

        tpm_check_name("quote-pcrs", quote->bank, check);
        if (!tpm_check_is_of_bank(attest, quote->bank)) {
                findings_wrong(findings, check, "the quote covers another bank");
                return 0;
        }
        r = tpm_attest_digest(attest, pcrs, signature->hash, &digest, &id, &index);
        if (r < 0)
                return r;
        findings_compare(findings, NEEDED, check, attest->pcr_digest,
                         (Bytes){digest.bytes, hash_size(digest.algorithm)});
        return 0;
}

/* Adds the PCRs that the quote covers. */
static void tpm_check_take_pcrs(const TpmAttest *attest, HashAlgorithm bank, const Pcrs *pcrs,
                                Pcrs *ret)
{
        if (!tpm_check_is_of_bank(attest, bank))
                return;
        for (unsigned i = 0; i < PCRS; i++)
                if (attest->selections[0].pcrs & 1u << i) {
                        ret->has[bank][i] = ret->any = true;
                        ret->values[bank][i] = pcrs->values[bank][i];
                        ret->values[bank][i].algorithm = bank;
                }
}

static int tpm_check_quote(const Attestation *attestation, const AttestedQuote *quote,
                           const TpmPublic *ak, Pcrs *ret, Findings *findings, CvmError *error)
{
        char check[TPM_CHECK_NAME_MAX];
        TpmSignature signature;
        TpmAttest attest;
        int r = tpm_attest_parse(quote->attest, &attest, error);

        if (r == 0)
                r = tpm_signature_parse(quote->signature, &signature, error);
        if (r < 0)
                return r;
        tpm_check_name("quote", quote->bank, check);
        r = tpm_attest_verify(&attest, &signature, ak);
        if (r < 0 && r != -EKEYREJECTED)
                return r;
        tpm_check_key(check, r < 0 ? "the AK did not sign it" : NULL, findings);
        tpm_check_name("quote-signer", quote->bank, check);
        r = tpm_attest_check_signer(&attest, ak);
        if (r < 0 && r != -EKEYREJECTED)
                return r;
        tpm_check_key(check, r < 0 ? "it names another key than the AK as its signer" : NULL,
                      findings);
        tpm_check_name("quote-data", quote->bank, check);
        findings_compare(findings, NEEDED, check,
                         (Bytes){attestation->qualifier, ATTEST_QUALIFIER_SIZE},
                         attest.qualifying_data);
        tpm_check_take_pcrs(&attest, quote->bank, &attestation->pcrs, ret);
        return tpm_check_digest(&attest, &signature, quote, &attestation->pcrs, findings);
}

/* Quotes of two banks are of one start of the TPM, or one of them is of another guest. */
static int tpm_check_starts(const Attestation *attestation, Findings *findings, CvmError *error)
{
        TpmAttest first = {}, other = {};
        int r = 0;

        for (size_t i = 0; r == 0 && i < attestation->n_quotes; i++) {
                r = tpm_attest_parse(attestation->quotes[i].attest, &other, error);
                if (i == 0)
                        first = other;
                else if (r == 0)
                        tpm_check_key("quote-start",
                                      other.reset_count != first.reset_count ||
                                                      other.restart_count != first.restart_count
                                              ? "the quotes are of different starts of the TPM"
                                              : NULL,
                                      findings);
        }
        return r;
}

int tpm_check(const TpmInputs *inputs, Pcrs *ret, Findings *findings, CvmError *error)
{
        const Attestation *attestation = inputs->attestation;
        TpmPublic ek, ak;
        Pcrs pcrs = {};
        int r = tpm_public_parse(attestation->ek, "ek", &ek, error);

        if (r == 0)
                r = tpm_public_parse(attestation->ak, "ak", &ak, error);
        if (r == 0)
                r = tpm_check_origin(inputs, &ek, findings, error);
        if (r < 0)
                return r;
        tpm_check_key("ek", tpm_public_refuse_ek(&ek), findings);
        tpm_check_key("ak", tpm_public_refuse_ak(&ak), findings);
        tpm_check_binding(inputs, findings);
        for (size_t i = 0; r == 0 && i < attestation->n_quotes; i++)
                r = tpm_check_quote(attestation, &attestation->quotes[i], &ak, &pcrs, findings,
                                    error);
        if (r == 0)
                r = tpm_check_starts(attestation, findings, error);
        if (r == 0)
                *ret = pcrs;
        return r;
}
