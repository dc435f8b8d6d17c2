/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tpm_credential.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/hmac.h>
#include <openssl/rand.h>
#include <openssl/rsa.h>
#include <string.h>

#include "verify/signature.h"

#define AES_BLOCK_SIZE 16
#define IDENTITY "IDENTITY"
#define KDF_CONTEXT_MAX 128

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(EVP_CIPHER_CTX *, EVP_CIPHER_CTX_free)

/* A seed that both sides have: as long as the EK's name has digest bytes. */
typedef struct Seed {
        uint8_t bytes[HASH_SIZE_MAX];
} Seed;

static const EVP_MD *tpm_credential_md(const TpmPublic *ek)
{
        return ek->name_hash == HASH_SHA256 ? EVP_sha256() : EVP_sha384();
}

/* KDFa with one step of its counter, which no key of AES or HMAC here exceeds. */
static int tpm_credential_kdfa(const TpmPublic *ek, const Seed *seed, const char *label,
                               Bytes context, size_t size, uint8_t ret[static HASH_SIZE_MAX])
{
        uint8_t input[4 + 16 + KDF_CONTEXT_MAX + 4] = {0, 0, 0, 1};
        size_t at = 4, label_size = strlen(label) + 1;

        if (context.size > KDF_CONTEXT_MAX || size > hash_size(ek->name_hash))
                return -EINVAL;
        memcpy(input + at, label, label_size);
        at += label_size;
        if (context.size > 0)
                memcpy(input + at, context.data, context.size);
        at += context.size;
        tpm_put16(input + at + 2, 8 * size);
        at += 4;
        return HMAC(tpm_credential_md(ek), seed->bytes, (int)hash_size(ek->name_hash), input, at,
                    ret, NULL)
                       ? 0
                       : -EIO;
}

static int tpm_credential_share_rsa(const TpmPublic *ek, EVP_PKEY *key, Seed *seed,
                                    TpmCredential *ret)
{
        _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(key, NULL);
        size_t size = sizeof(ret->secret) - 2;
        char *label = OPENSSL_strndup(IDENTITY, sizeof(IDENTITY));
        bool right;

        /* the label has its NUL, and belongs to the context if that takes it */
        if (!context || !label || EVP_PKEY_encrypt_init(context) != 1 ||
            EVP_PKEY_CTX_set_rsa_padding(context, RSA_PKCS1_OAEP_PADDING) != 1 ||
            EVP_PKEY_CTX_set_rsa_oaep_md(context, tpm_credential_md(ek)) != 1 ||
            EVP_PKEY_CTX_set_rsa_mgf1_md(context, tpm_credential_md(ek)) != 1 ||
            EVP_PKEY_CTX_set0_rsa_oaep_label(context, label, sizeof(IDENTITY)) != 1) {
                OPENSSL_free(label);
                return -ENOMEM;
        }
        right = RAND_priv_bytes(seed->bytes, (int)hash_size(ek->name_hash)) == 1 &&
                EVP_PKEY_encrypt(context, ret->secret + 2, &size, seed->bytes,
                                 hash_size(ek->name_hash)) == 1;
        ERR_clear_error();
        if (!right)
                return -EIO;
        tpm_put16(ret->secret, size);
        ret->secret_size = 2 + size;
        return 0;
}

/* KDFe: with one step of its counter. */
static int tpm_credential_kdfe(const TpmPublic *ek, const uint8_t *z, const uint8_t *own_x,
                               const uint8_t *ek_x, Seed *seed)
{
        static const uint8_t counter[4] = {0, 0, 0, 1};
        _cleanup_(hash_freep) Hash *hash = hash_new(ek->name_hash);
        size_t size = tpm_public_curve_size(ek->curve);
        HashDigest digest;
        int r;

        if (!hash)
                return -ENOMEM;
        hash_update(hash, counter, sizeof(counter));
        hash_update(hash, z, size);
        hash_update(hash, IDENTITY, sizeof(IDENTITY));
        hash_update(hash, own_x, size);
        hash_update(hash, ek_x, size);
        r = hash_finish(hash, &digest);
        if (r == 0)
                memcpy(seed->bytes, digest.bytes, hash_size(ek->name_hash));
        OPENSSL_cleanse(&digest, sizeof(digest));
        return r;
}

static int tpm_credential_derive(EVP_PKEY *own, EVP_PKEY *key, uint8_t *ret, size_t size)
{
        _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(own, NULL);
        size_t derived = size;

        if (!context || EVP_PKEY_derive_init(context) != 1)
                return -ENOMEM;
        if (EVP_PKEY_derive_set_peer(context, key) != 1 ||
            EVP_PKEY_derive(context, ret, &derived) != 1 || derived != size)
                return -EIO;
        return 0;
}

/* TPMS_ECC_POINT of the ephemeral key. */
static void tpm_credential_put_point(const uint8_t *xy, size_t size, TpmCredential *ret)
{
        uint8_t *at = ret->secret;

        tpm_put16(at, 2 * (2 + size));
        tpm_put16(at + 2, size);
        memcpy(at + 4, xy, size);
        tpm_put16(at + 4 + size, size);
        memcpy(at + 6 + size, xy + size, size);
        ret->secret_size = 6 + 2 * size;
}

static int tpm_credential_share_ecc(const TpmPublic *ek, EVP_PKEY *key, Seed *seed,
                                    TpmCredential *ret)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *own = EVP_EC_gen(tpm_public_curve_name(ek->curve));
        size_t size = tpm_public_curve_size(ek->curve), point_size;
        uint8_t z[P384_SIZE], point[1 + 2 * P384_SIZE], ek_x[P384_SIZE] = {};
        int r;

        if (!own)
                return -EIO;
        if (EVP_PKEY_get_octet_string_param(own, OSSL_PKEY_PARAM_PUB_KEY, point, sizeof(point),
                                            &point_size) != 1 ||
            point_size != 1 + 2 * size)
                return -EIO;
        memcpy(ek_x + size - ek->x.size, ek->x.data, ek->x.size);
        r = tpm_credential_derive(own, key, z, size);
        if (r == 0)
                r = tpm_credential_kdfe(ek, z, point + 1, ek_x, seed);
        if (r == 0)
                tpm_credential_put_point(point + 1, size, ret);
        OPENSSL_cleanse(z, sizeof(z));
        ERR_clear_error();
        return r;
}

/* In place. */
static int tpm_credential_encrypt(const TpmPublic *ek, const uint8_t *key, uint8_t *data,
                                  size_t size)
{
        static const uint8_t iv[AES_BLOCK_SIZE];
        _cleanup_(EVP_CIPHER_CTX_freep) EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
        int n;

        if (!context)
                return -ENOMEM;
        return EVP_EncryptInit_ex(context,
                                  ek->symmetric_bits == 128 ? EVP_aes_128_cfb128()
                                                            : EVP_aes_256_cfb128(),
                                  NULL, key, iv) == 1 &&
                               EVP_EncryptUpdate(context, data, &n, data, (int)size) == 1
                       ? 0
                       : -EIO;
}

/* TPM2B_ID_OBJECT: an HMAC, and the secret encrypted. */
static int tpm_credential_seal(const TpmPublic *ek, const TpmName *ak, const Seed *seed,
                               Bytes secret, TpmCredential *ret)
{
        size_t digest = hash_size(ek->name_hash), size = 2 + secret.size;
        uint8_t key[HASH_SIZE_MAX], input[2 + TPM_SECRET_MAX + sizeof(ak->bytes)];
        int r;

        tpm_put16(input, secret.size);
        memcpy(input + 2, secret.data, secret.size);
        r = tpm_credential_kdfa(ek, seed, "STORAGE", (Bytes){ak->bytes, ak->size},
                                ek->symmetric_bits / 8u, key);
        if (r == 0)
                r = tpm_credential_encrypt(ek, key, input, size);
        if (r == 0)
                r = tpm_credential_kdfa(ek, seed, "INTEGRITY", (Bytes){}, digest, key);
        memcpy(input + size, ak->bytes, ak->size);
        if (r == 0 && !HMAC(tpm_credential_md(ek), key, (int)digest, input, size + ak->size,
                            ret->blob + 4, NULL))
                r = -EIO;
        OPENSSL_cleanse(key, sizeof(key));
        if (r < 0)
                return r;
        tpm_put16(ret->blob, 2 + digest + size);
        tpm_put16(ret->blob + 2, digest);
        memcpy(ret->blob + 4 + digest, input, size);
        ret->blob_size = 4 + digest + size;
        return 0;
}

int tpm_credential_make(const TpmPublic *ek, const TpmName *ak, Bytes secret, TpmCredential *ret)
{
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *key = NULL;
        Seed seed;
        int r;

        if (secret.size == 0 || secret.size > TPM_SECRET_MAX || ek->symmetric_bits == 0)
                return -EINVAL;
        r = tpm_public_key(ek, &key);
        if (r < 0)
                return r;
        r = ek->type == TPM_ALG_RSA ? tpm_credential_share_rsa(ek, key, &seed, ret)
                                    : tpm_credential_share_ecc(ek, key, &seed, ret);
        if (r == 0)
                r = tpm_credential_seal(ek, ak, &seed, secret, ret);
        OPENSSL_cleanse(&seed, sizeof(seed));
        return r;
}
