/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/signature.h"

#include <openssl/core_names.h>
#include <openssl/ec.h>
#include <openssl/ecdsa.h>
#include <openssl/err.h>
#include <string.h>

DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)
DEFINE_CLEANUP(ECDSA_SIG *, ECDSA_SIG_free)

/* xy: two numbers of `size` bytes. */
static int make_key(char *group, const uint8_t *xy, size_t size, EVP_PKEY **ret)
{
        _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
                EVP_PKEY_CTX_new_from_name(NULL, "EC", NULL);
        uint8_t point[1 + 2 * P384_SIZE] = {0x04}; /* SEC 1, 2.3.3: uncompressed */
        OSSL_PARAM parameters[] = {
                OSSL_PARAM_construct_utf8_string(OSSL_PKEY_PARAM_GROUP_NAME, group, 0),
                OSSL_PARAM_construct_octet_string(OSSL_PKEY_PARAM_PUB_KEY, point, 1 + 2 * size),
                OSSL_PARAM_construct_end(),
        };
        EVP_PKEY *key = NULL;
        int r = -EINVAL;

        memcpy(point + 1, xy, 2 * size);
        if (!context || EVP_PKEY_fromdata_init(context) != 1)
                return -ENOMEM;
        if (EVP_PKEY_fromdata(context, &key, EVP_PKEY_PUBLIC_KEY, parameters) == 1) {
                *ret = key;
                r = 0;
        }
        ERR_clear_error();
        return r;
}

int signature_key_p256(const uint8_t xy[static 2 * P256_SIZE], EVP_PKEY **ret)
{
        char group[] = "P-256";

        return make_key(group, xy, P256_SIZE, ret);
}

int signature_key_p384(const uint8_t xy[static 2 * P384_SIZE], EVP_PKEY **ret)
{
        char group[] = "P-384";

        return make_key(group, xy, P384_SIZE, ret);
}

bool signature_key_is(EVP_PKEY *key, const char *curve)
{
        const char *sn = strcmp(curve, "P-256") == 0 ? SN_X9_62_prime256v1 : SN_secp384r1;
        char name[32];
        size_t size;

        return EVP_PKEY_get_base_id(key) == EVP_PKEY_EC &&
               EVP_PKEY_get_group_name(key, name, sizeof(name), &size) == 1 &&
               strcmp(name, sn) == 0;
}

/* The DER form that EVP wants. */
static int signature_encode(const uint8_t *r, const uint8_t *s, size_t size, uint8_t **ret)
{
        _cleanup_(ECDSA_SIG_freep) ECDSA_SIG *signature = ECDSA_SIG_new();
        BIGNUM *numbers[2] = {BN_bin2bn(r, (int)size, NULL), BN_bin2bn(s, (int)size, NULL)};

        if (!signature || ECDSA_SIG_set0(signature, numbers[0], numbers[1]) != 1) {
                BN_free(numbers[0]);
                BN_free(numbers[1]);
                return -1;
        }
        return i2d_ECDSA_SIG(signature, ret);
}

bool signature_verify(EVP_PKEY *key, const EVP_MD *digest, const uint8_t *r, const uint8_t *s,
                      size_t size, Bytes data)
{
        _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        uint8_t *der = NULL;
        int der_size = signature_encode(r, s, size, &der);
        bool right;

        right = context && der_size > 0 &&
                EVP_DigestVerifyInit(context, NULL, digest, NULL, key) == 1 &&
                EVP_DigestVerify(context, der, (size_t)der_size, data.data, data.size) == 1;
        OPENSSL_free(der);
        ERR_clear_error();
        return right;
}
