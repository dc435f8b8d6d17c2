/* SPDX-License-Identifier: Apache-2.0 */
#include "verify-images.h"

#include <fcntl.h>
#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/pem.h>
#include <openssl/sha.h>
#include <openssl/x509v3.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"

static void add_extension(X509 *certificate, const Extension *extension)
{
        ASN1_OBJECT *oid = OBJ_txt2obj(extension->oid, 1);
        ASN1_OCTET_STRING *data = ASN1_OCTET_STRING_new();
        X509_EXTENSION *made;

        assert_int_equal(ASN1_OCTET_STRING_set(data, extension->data, extension->size), 1);
        made = X509_EXTENSION_create_by_OBJ(NULL, oid, 0, data);
        assert_int_equal(X509_add_ext(certificate, made, -1), 1);
        X509_EXTENSION_free(made);
        ASN1_OCTET_STRING_free(data);
        ASN1_OBJECT_free(oid);
}

void made_key_certify(MadeKey *key, const MadeKey *issuer, const char *name,
                      const Extension *extensions, long from, long until)
{
        static long serial = 1;
        X509 *certificate = X509_new();
        X509_NAME *subject = X509_get_subject_name(certificate);
        bool ca = !extensions;

        X509_set_version(certificate, X509_VERSION_3);
        ASN1_INTEGER_set(X509_get_serialNumber(certificate), serial++);
        ASN1_TIME_set(X509_getm_notBefore(certificate), MADE_AT + from);
        ASN1_TIME_set(X509_getm_notAfter(certificate), MADE_AT + until);
        X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const unsigned char *)name, -1, -1,
                                   0);
        X509_set_issuer_name(certificate,
                             issuer == key ? subject : X509_get_subject_name(issuer->certificate));
        X509_set_pubkey(certificate, key->key);
        if (ca) {
                static const uint8_t is_ca[] = {0x30, 0x03, 0x01, 0x01, 0xff};

                add_extension(certificate, &(Extension){"2.5.29.19", is_ca, sizeof(is_ca)});
        }
        for (; extensions && extensions->oid; extensions++)
                add_extension(certificate, extensions);
        assert_true(X509_sign(certificate, issuer->key, EVP_sha384()) > 0);
        X509_free(key->certificate);
        key->certificate = certificate;
}

MadeChain made_chain(const char *curve, const char *leaf_name, const Extension *extensions)
{
        MadeChain chain = {{EVP_EC_gen("P-384"), NULL},
                           {EVP_EC_gen("P-384"), NULL},
                           {EVP_EC_gen(curve), NULL}};

        made_key_certify(&chain.root, &chain.root, "root", NULL, -MADE_SPAN, MADE_SPAN);
        made_key_certify(&chain.middle, &chain.root, "middle", NULL, -MADE_SPAN, MADE_SPAN);
        made_key_certify(&chain.leaf, &chain.middle, leaf_name, extensions, -MADE_SPAN, MADE_SPAN);
        return chain;
}

void made_chain_done(MadeChain *chain)
{
        MadeKey *const keys[] = {&chain->root, &chain->middle, &chain->leaf};

        for (size_t i = 0; i < ARRAY_SIZE(keys); i++) {
                EVP_PKEY_free(keys[i]->key);
                X509_free(keys[i]->certificate);
        }
        *chain = (MadeChain){};
}

MadeChain made_vcek_chain(const MadeVcek *vcek)
{
        static const char *const oids[][8] = {
                {"1", "2", "4", "5", "6", "7", "3", "8"},
                {"9", "1", "2", "3", "5", "6", "7", "8"},
        };
        char names[8][32];
        uint8_t numbers[8][4];
        Extension extensions[10] = {};

        for (size_t i = 0; i < 8; i++) {
                uint8_t n = vcek->tcb[i];
                uint8_t *at = numbers[i];

                snprintf(names[i], sizeof(names[i]), "1.3.6.1.4.1.3704.1.3.%s",
                         oids[vcek->turin][i]);
                *at++ = 0x02;
                *at++ = n & 0x80 ? 2 : 1;
                if (n & 0x80)
                        *at++ = 0;
                *at++ = n;
                extensions[i] = (Extension){names[i], numbers[i], (int)(at - numbers[i])};
        }
        if (!vcek->vlek)
                extensions[8] =
                        (Extension){"1.3.6.1.4.1.3704.1.4", vcek->chip, vcek->turin ? 8 : 64};
        return made_chain("P-384", vcek->name, extensions);
}

/* r and s, `size` bytes each, big-endian. */
static void sign(EVP_PKEY *key, const EVP_MD *digest, const uint8_t *data, size_t data_size,
                 uint8_t *ret, int size)
{
        EVP_MD_CTX *context = EVP_MD_CTX_new();
        uint8_t der[256];
        const uint8_t *at = der;
        size_t der_size = sizeof(der);
        ECDSA_SIG *signature;

        assert_int_equal(EVP_DigestSignInit(context, NULL, digest, NULL, key), 1);
        assert_int_equal(EVP_DigestSign(context, der, &der_size, data, data_size), 1);
        signature = d2i_ECDSA_SIG(NULL, &at, (long)der_size);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_r(signature), ret, size), size);
        assert_int_equal(BN_bn2binpad(ECDSA_SIG_get0_s(signature), ret + size, size), size);
        ECDSA_SIG_free(signature);
        EVP_MD_CTX_free(context);
}

void made_report_sign(uint8_t report[static 1184], EVP_PKEY *key)
{
        uint8_t numbers[96];

        sign(key, EVP_sha384(), report, 0x2a0, numbers, 48);
        memset(report + 0x2a0, 0, 512);
        for (size_t i = 0; i < 48; i++) {
                report[0x2a0 + i] = numbers[47 - i];
                report[0x2a0 + 72 + i] = numbers[95 - i];
        }
}

static uint8_t *append(MadeQuote *quote, const void *data, size_t size)
{
        uint8_t *at = quote->data + quote->size;

        assert_true(quote->size + size <= sizeof(quote->data));
        if (data)
                memcpy(at, data, size);
        quote->size += size;
        return at;
}

static void append_pem(MadeQuote *quote, const MadeChain *chain)
{
        const X509 *const certificates[] = {chain->leaf.certificate, chain->middle.certificate,
                                            chain->root.certificate};
        BIO *bio = BIO_new(BIO_s_mem());
        char *text;
        long size;

        for (size_t i = 0; i < ARRAY_SIZE(certificates); i++)
                assert_int_equal(PEM_write_bio_X509(bio, (X509 *)certificates[i]), 1);
        size = BIO_get_mem_data(bio, &text);
        le32_put(append(quote, NULL, 4), (uint32_t)size + 1);
        append(quote, text, (size_t)size);
        append(quote, "", 1);
        BIO_free(bio);
}

void made_quote(MadeQuote *quote, int version, int body, const MadeChain *chain)
{
        size_t body_size = body == 3 ? 648 : 584, sizes[2];
        uint8_t point[65];
        size_t size;

        *quote = (MadeQuote){.key = EVP_EC_gen("P-256")};
        le16_put(append(quote, NULL, 2), (uint16_t)version);
        le16_put(append(quote, NULL, 2), 2);
        le32_put(append(quote, NULL, 4), 0x81);
        append(quote, NULL, 40);
        if (version == 5) {
                le16_put(append(quote, NULL, 2), (uint16_t)body);
                le32_put(append(quote, NULL, 4), (uint32_t)body_size);
        }
        quote->body = append(quote, NULL, body_size);
        for (size_t i = 136; i < 328 + 4 * 48; i++)
                quote->body[i] = (uint8_t)(i / 48);
        quote->signed_size = quote->size;
        sizes[0] = quote->size;
        append(quote, NULL, 4);
        quote->signature = append(quote, NULL, 64);
        assert_int_equal(EVP_PKEY_get_octet_string_param(quote->key, OSSL_PKEY_PARAM_PUB_KEY, point,
                                                         sizeof(point), &size),
                         1);
        append(quote, point + 1, 64);
        le16_put(append(quote, NULL, 2), 6);
        sizes[1] = quote->size;
        append(quote, NULL, 4);
        quote->qe_report = append(quote, NULL, 384);
        append(quote, NULL, 64);
        le16_put(append(quote, NULL, 2), 4);
        append(quote, "auth", 4);
        le16_put(append(quote, NULL, 2), 5);
        append_pem(quote, chain);
        for (size_t i = 0; i < 2; i++)
                le32_put(quote->data + sizes[i], (uint32_t)(quote->size - sizes[i] - 4));
        assert_int_equal(
                text_unhex("dc9e2a7c6f948f17474e34a7fc43ed030f7c1563f1babddf6340c82e0e54a8c5",
                           quote->qe_report + 128, 32),
                0);
        le16_put(quote->qe_report + 256, 2);
        quote->qe_report[48] = 0x15;
}

void made_quote_sign(MadeQuote *quote, EVP_PKEY *pck)
{
        uint8_t bound[68];

        memcpy(bound, quote->signature + 64, 64);
        memcpy(bound + 64, "auth", 4);
        SHA256(bound, sizeof(bound), quote->qe_report + 320);
        sign(quote->key, EVP_sha256(), quote->data, quote->signed_size, quote->signature, 32);
        sign(pck, EVP_sha256(), quote->qe_report, 384, quote->qe_report + 384, 32);
}

void made_quote_done(MadeQuote *quote)
{
        EVP_PKEY_free(quote->key);
        quote->key = NULL;
}

Bytes vector_load(const char *name)
{
        _cleanup_free_ char *relative = NULL, *path = NULL;
        char *data;
        size_t size;

        assert_true(asprintf(&relative, "tests/vectors/%s", name) > 0);
        path = source_path(relative);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1u << 20, &data, &size), 0);
        return (Bytes){(uint8_t *)data, size};
}

Expectation expectation_of(const char *text, ...)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_free_ char *json = NULL, *message = NULL;
        Expectation expectation = {};
        json_object *object;
        va_list ap;

        va_start(ap, text);
        assert_true(vasprintf(&json, text, ap) > 0);
        va_end(ap);
        for (char *at = json; (at = strchr(at, '\'')); at++)
                *at = '"';
        assert_int_equal(json_parse(json, strlen(json), &object, NULL), 0);
        if (expectation_parse(object, &expectation, &error) < 0) {
                message = cvm_error_message(&error);
                fail_msg("%s", message);
        }
        return expectation;
}

const Finding *finding_of(const Verification *verification, const char *check)
{
        for (size_t i = 0; i < verification->findings.n; i++)
                if (strcmp(verification->findings.items[i].check, check) == 0)
                        return &verification->findings.items[i];
        fail_msg("no finding %s", check);
        return NULL;
}

Verdict verdict_of(const VerifyInputs *inputs)
{
        _cleanup_(verification_done) Verification result = {};
        _cleanup_(cvm_error_done) CvmError error = {};

        if (verify_run(inputs, &result, &error) < 0)
                return VERDICT_WRONG;
        return findings_verdict(&result.findings);
}

void assert_finding(const VerifyInputs *inputs, const char *check, FindingResult result)
{
        _cleanup_(verification_done) Verification verification = {};
        _cleanup_(cvm_error_done) CvmError error = {};
        const Finding *finding;

        assert_int_equal(verify_run(inputs, &verification, &error), 0);
        finding = finding_of(&verification, check);
        if (finding->result != result)
                fail_msg("%s: %s (%s)", check, finding_result_name(finding->result),
                         finding->reason ?: "");
        if (result == FINDING_WRONG)
                assert_int_equal(findings_verdict(&verification.findings), VERDICT_WRONG);
}
