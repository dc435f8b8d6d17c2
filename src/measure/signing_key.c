/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/signing_key.h"

#include <openssl/bio.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

#include "measure/bytes.h"

struct SigningKey {
        EVP_PKEY *pkey; /* owned */
        KeyCurve curve;
};

static const struct {
        KeyCurve curve;
        const char *group, *digest;
        size_t size;
} curves_known[] = {
        {KEY_P256, SN_X9_62_prime256v1, "SHA256", 32},
        {KEY_P384, SN_secp384r1, "SHA384", 48},
};

DEFINE_CLEANUP(BIO *, BIO_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)
DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)

SigningKey *signing_key_free(SigningKey *key)
{
        if (key)
                EVP_PKEY_free(key->pkey);
        free(key);
        return NULL;
}

/* Nobody is asked for a passphrase: that the key is encrypted is remembered. */
static int on_passphrase(char *buffer, int size, int writing, void *userdata)
{
        *(bool *)userdata = true;
        return -1;
}

/* NULL, or why it cannot be read. */
static const char *read_pem(Bytes pem, EVP_PKEY **ret)
{
        _cleanup_(BIO_freep) BIO *bio = BIO_new_mem_buf(pem.data, (int)pem.size);
        bool encrypted = false;

        *ret = bio ? PEM_read_bio_PrivateKey(bio, NULL, on_passphrase, &encrypted) : NULL;
        ERR_clear_error();
        if (*ret)
                return NULL;
        return encrypted ? "the key is encrypted; decrypt it first"
                         : "the file contains no private key in PEM";
}

/* NULL, or why it is not allowed. */
static const char *signing_key_check(SigningKey *key, unsigned curves)
{
        _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *ctx = NULL;
        char group[64] = "";

        if (!EVP_PKEY_is_a(key->pkey, "EC"))
                return "not a key of an elliptic curve (EC)";
        EVP_PKEY_get_utf8_string_param(key->pkey, OSSL_PKEY_PARAM_GROUP_NAME, group, sizeof(group),
                                       NULL);
        for (size_t i = 0; i < ARRAY_SIZE(curves_known); i++)
                if (strcmp(curves_known[i].group, group) == 0)
                        key->curve = curves_known[i].curve;
        if (!(key->curve & curves))
                return curves == KEY_P384 ? "its curve must be P-384 (secp384r1)"
                                          : "its curve must be P-256 or P-384";
        ctx = EVP_PKEY_CTX_new_from_pkey(NULL, key->pkey, NULL);
        if (!ctx || EVP_PKEY_check(ctx) != 1)
                return "its public key does not match its private key";
        return NULL;
}

int signing_key_parse(Bytes pem, unsigned curves, SigningKey **ret, const char **ret_reason)
{
        _cleanup_(signing_key_freep) SigningKey *key = calloc(1, sizeof(*key));
        const char *reason;

        if (!key)
                return -ENOMEM;
        reason = read_pem(pem, &key->pkey) ?: signing_key_check(key, curves);
        ERR_clear_error();
        if (reason) {
                *ret_reason = reason;
                return -EINVAL;
        }
        *ret = TAKE_PTR(key);
        return 0;
}

KeyCurve signing_key_curve(const SigningKey *key)
{
        return key->curve;
}

static size_t which(const SigningKey *key)
{
        return key->curve == KEY_P256 ? 0 : 1;
}

size_t signing_key_size(const SigningKey *key)
{
        return curves_known[which(key)].size;
}

static int put_number(const SigningKey *key, const BIGNUM *number, uint8_t *ret)
{
        int size = (int)signing_key_size(key);

        return number && BN_bn2binpad(number, ret, size) == size ? 0 : -EIO;
}

int signing_key_sign(const SigningKey *key, const void *data, size_t size,
                     uint8_t ret_r[static KEY_NUMBER_MAX], uint8_t ret_s[static KEY_NUMBER_MAX])
{
        _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *ctx = EVP_MD_CTX_new();
        _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *signature = NULL;
        uint8_t der[2 * KEY_NUMBER_MAX + 16]; /* two numbers, and DER around them */
        const uint8_t *p = der;
        size_t n = sizeof(der);
        int r;

        if (!ctx ||
            EVP_DigestSignInit_ex(ctx, NULL, curves_known[which(key)].digest, NULL, NULL, key->pkey,
                                  NULL) != 1 ||
            EVP_DigestSign(ctx, der, &n, data, size) != 1)
                return -EIO;
        signature = d2i_ECDSA_SIG(NULL, &p, (long)n);
        if (!signature)
                return -EIO;
        r = put_number(key, ECDSA_SIG_get0_r(signature), ret_r);
        return r ?: put_number(key, ECDSA_SIG_get0_s(signature), ret_s);
}

int signing_key_public(const SigningKey *key, uint8_t ret_x[static KEY_NUMBER_MAX],
                       uint8_t ret_y[static KEY_NUMBER_MAX])
{
        _cleanup_(BN_freep) BIGNUM *x = NULL, *y = NULL;

        if (EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_X, &x) != 1 ||
            EVP_PKEY_get_bn_param(key->pkey, OSSL_PKEY_PARAM_EC_PUB_Y, &y) != 1)
                return -EIO;
        return put_number(key, x, ret_x) ?: put_number(key, y, ret_y);
}

int signing_key_id(const SigningKey *key, HashDigest *ret)
{
        unsigned char *der = NULL;
        int size = i2d_PUBKEY(key->pkey, &der), r;

        if (size <= 0)
                return -EIO;
        r = hash_bytes(HASH_SHA256, der, (size_t)size, ret);
        OPENSSL_free(der);
        return r;
}
