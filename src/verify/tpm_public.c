/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tpm_public.h"

#include <openssl/core_names.h>
#include <openssl/err.h>
#include <openssl/param_build.h>
#include <string.h>

#include "verify/signature.h"

#define TPM_RSA_BITS_MIN 2048
#define TPM_RSA_BITS_MAX 4096
#define TPM_RSA_EXPONENT 65537
#define TPM_POLICY_MAX 64
/* Who may use the key is the guest's own affair. */
#define TPM_AK_ATTRIBUTES                                                                          \
        (TPM_FIXED_TPM | TPM_ST_CLEAR | TPM_FIXED_PARENT | TPM_SENSITIVE_DATA_ORIGIN |             \
         TPM_USER_WITH_AUTH | TPM_ADMIN_WITH_POLICY | TPM_NO_DA | TPM_RESTRICTED | TPM_SIGN)

DEFINE_CLEANUP(EVP_PKEY_CTX *, EVP_PKEY_CTX_free)
DEFINE_CLEANUP(OSSL_PARAM_BLD *, OSSL_PARAM_BLD_free)
DEFINE_CLEANUP(OSSL_PARAM *, OSSL_PARAM_free)
DEFINE_CLEANUP(BIGNUM *, BN_free)

size_t tpm_public_curve_size(uint16_t curve)
{
        return curve == TPM_ECC_P256 ? P256_SIZE : P384_SIZE;
}

const char *tpm_public_curve_name(uint16_t curve)
{
        return curve == TPM_ECC_P256 ? "P-256" : "P-384";
}

/* TPMT_SYM_DEF_OBJECT. */
static int tpm_public_parse_symmetric(Reader *reader, const char *what, TpmPublic *key,
                                      CvmError *error)
{
        uint16_t algorithm = tpm_take16(reader), bits, mode;

        if (algorithm == TPM_ALG_NULL)
                return 0;
        bits = tpm_take16(reader);
        mode = tpm_take16(reader);
        if (reader->failed)
                return 0;
        if (algorithm != TPM_ALG_AES || mode != TPM_ALG_CFB || (bits != 128 && bits != 256))
                return cvm_error_artifact(error, what,
                                          "protects what it encrypts with algorithm 0x%x, %u bits, "
                                          "mode 0x%x; it must be AES of 128 or 256 bits in CFB "
                                          "mode",
                                          algorithm, bits, mode);
        key->symmetric_bits = bits;
        return 0;
}

/* TPMT_RSA_SCHEME, TPMT_ECC_SCHEME. */
static int tpm_public_parse_scheme(Reader *reader, const char *what, TpmPublic *key,
                                   CvmError *error)
{
        bool rsa = key->type == TPM_ALG_RSA;
        bool known;

        key->scheme = tpm_take16(reader);
        known = rsa ? key->scheme == TPM_ALG_RSASSA || key->scheme == TPM_ALG_RSAPSS ||
                                key->scheme == TPM_ALG_OAEP
                    : key->scheme == TPM_ALG_ECDSA || key->scheme == TPM_ALG_ECDH;
        if (known)
                key->scheme_hash = tpm_take16(reader);
        else if (!reader->failed && key->scheme != TPM_ALG_NULL &&
                 !(rsa && key->scheme == TPM_ALG_RSAES))
                return cvm_error_artifact(error, what, "has an unknown scheme 0x%x", key->scheme);
        return 0;
}

static int tpm_public_parse_rsa(Reader *reader, const char *what, TpmPublic *key, CvmError *error)
{
        key->bits = tpm_take16(reader);
        key->exponent = tpm_take32(reader);
        if (key->exponent == 0)
                key->exponent = TPM_RSA_EXPONENT;
        key->modulus = tpm_take_sized(reader, TPM_RSA_BITS_MAX / 8);
        if (reader->failed)
                return 0;
        if (key->bits < TPM_RSA_BITS_MIN || key->bits > TPM_RSA_BITS_MAX || key->bits % 8 != 0 ||
            key->exponent != TPM_RSA_EXPONENT)
                return cvm_error_artifact(error, what,
                                          "is an RSA key of %u bits with exponent %u; it must have "
                                          "%u to %u bits and exponent %u",
                                          key->bits, key->exponent, TPM_RSA_BITS_MIN,
                                          TPM_RSA_BITS_MAX, TPM_RSA_EXPONENT);
        if (key->modulus.size != key->bits / 8u || key->modulus.data[0] < 0x80)
                return cvm_error_artifact(error, what, "its modulus does not have %u bits",
                                          key->bits);
        return 0;
}

static int tpm_public_parse_ecc(Reader *reader, const char *what, TpmPublic *key, CvmError *error)
{
        uint16_t kdf;

        key->curve = tpm_take16(reader);
        kdf = tpm_take16(reader);
        if (!reader->failed && key->curve != TPM_ECC_P256 && key->curve != TPM_ECC_P384)
                return cvm_error_artifact(error, what,
                                          "is a key of curve 0x%x; it must be P-256 or P-384",
                                          key->curve);
        if (!reader->failed && kdf != TPM_ALG_NULL)
                return cvm_error_artifact(error, what, "derives keys by algorithm 0x%x", kdf);
        key->x = tpm_take_sized(reader, tpm_public_curve_size(key->curve));
        key->y = tpm_take_sized(reader, tpm_public_curve_size(key->curve));
        return 0;
}

static int tpm_public_parse_parts(Reader *reader, const char *what, TpmPublic *key, CvmError *error)
{
        uint16_t name_hash;
        int r;

        key->type = tpm_take16(reader);
        name_hash = tpm_take16(reader);
        key->name_hash = tpm_hash(name_hash);
        key->attributes = tpm_take32(reader);
        tpm_take_sized(reader, TPM_POLICY_MAX);
        if (reader->failed)
                return 0;
        if (key->type != TPM_ALG_RSA && key->type != TPM_ALG_ECC)
                return cvm_error_artifact(error, what,
                                          "is a key of type 0x%x; it must be RSA or of an "
                                          "elliptic curve",
                                          key->type);
        if (key->name_hash == _HASH_MAX)
                return cvm_error_artifact(error, what,
                                          "is named by hash algorithm 0x%x; it must be SHA-256 or "
                                          "SHA-384",
                                          name_hash);
        r = tpm_public_parse_symmetric(reader, what, key, error);
        if (r == 0 && !reader->failed)
                r = tpm_public_parse_scheme(reader, what, key, error);
        if (r < 0 || reader->failed)
                return r;
        return key->type == TPM_ALG_RSA ? tpm_public_parse_rsa(reader, what, key, error)
                                        : tpm_public_parse_ecc(reader, what, key, error);
}

int tpm_public_parse(Bytes bytes, const char *what, TpmPublic *ret, CvmError *error)
{
        Reader reader = {.rest = bytes};
        TpmPublic key = {.bytes = bytes};
        int r;

        if (bytes.size > TPM_PUBLIC_MAX)
                return cvm_error_artifact(error, what, "is larger than %u bytes", TPM_PUBLIC_MAX);
        r = tpm_public_parse_parts(&reader, what, &key, error);
        if (r < 0)
                return r;
        if (reader.failed)
                return cvm_error_artifact(error, what,
                                          "is truncated: it is not the public area of a TPM's key "
                                          "(TPMT_PUBLIC)");
        if (reader.rest.size > 0)
                return cvm_error_artifact(error, what, "is followed by %zu bytes",
                                          reader.rest.size);
        *ret = key;
        return 0;
}

int tpm_public_name(const TpmPublic *key, TpmName *ret)
{
        HashDigest digest;
        int r = hash_bytes(key->name_hash, key->bytes.data, key->bytes.size, &digest);

        if (r < 0)
                return r;
        ret->size = 2 + hash_size(key->name_hash);
        tpm_put16(ret->bytes, tpm_hash_id(key->name_hash));
        memcpy(ret->bytes + 2, digest.bytes, hash_size(key->name_hash));
        return 0;
}

/* A TPM may leave out leading zeros. */
static void tpm_public_pad(Bytes number, uint8_t *ret, size_t size)
{
        memset(ret, 0, size);
        if (number.size > 0)
                memcpy(ret + size - number.size, number.data, number.size);
}

static int tpm_public_ecc_key(const TpmPublic *key, EVP_PKEY **ret)
{
        size_t size = tpm_public_curve_size(key->curve);
        uint8_t xy[2 * P384_SIZE];

        tpm_public_pad(key->x, xy, size);
        tpm_public_pad(key->y, xy + size, size);
        return key->curve == TPM_ECC_P256 ? signature_key_p256(xy, ret)
                                          : signature_key_p384(xy, ret);
}

static int tpm_public_rsa_key(const TpmPublic *key, EVP_PKEY **ret)
{
        _cleanup_(EVP_PKEY_CTX_freep) EVP_PKEY_CTX *context =
                EVP_PKEY_CTX_new_from_name(NULL, "RSA", NULL);
        _cleanup_(OSSL_PARAM_BLD_freep) OSSL_PARAM_BLD *builder = OSSL_PARAM_BLD_new();
        _cleanup_(BN_freep) BIGNUM *modulus =
                BN_bin2bn(key->modulus.data, (int)key->modulus.size, NULL);
        _cleanup_(OSSL_PARAM_freep) OSSL_PARAM *parameters = NULL;
        EVP_PKEY *made = NULL;
        int r = -EINVAL;

        if (!context || !builder || !modulus ||
            OSSL_PARAM_BLD_push_BN(builder, OSSL_PKEY_PARAM_RSA_N, modulus) != 1 ||
            OSSL_PARAM_BLD_push_uint(builder, OSSL_PKEY_PARAM_RSA_E, key->exponent) != 1 ||
            !(parameters = OSSL_PARAM_BLD_to_param(builder)) ||
            EVP_PKEY_fromdata_init(context) != 1)
                return -ENOMEM;
        if (EVP_PKEY_fromdata(context, &made, EVP_PKEY_PUBLIC_KEY, parameters) == 1) {
                *ret = made;
                r = 0;
        }
        ERR_clear_error();
        return r;
}

int tpm_public_key(const TpmPublic *key, EVP_PKEY **ret)
{
        return key->type == TPM_ALG_RSA ? tpm_public_rsa_key(key, ret)
                                        : tpm_public_ecc_key(key, ret);
}

/* What both kinds of key must have. */
static const char *tpm_public_refuse_loose(const TpmPublic *key)
{
        if (!(key->attributes & TPM_FIXED_TPM))
                return "it may leave its TPM (fixedTPM is clear)";
        if (!(key->attributes & TPM_FIXED_PARENT))
                return "it may be moved below another key (fixedParent is clear)";
        if (!(key->attributes & TPM_SENSITIVE_DATA_ORIGIN))
                return "it was not made by its TPM (sensitiveDataOrigin is clear)";
        if (!(key->attributes & TPM_RESTRICTED))
                return "it also works on data from outside its TPM (restricted is clear)";
        return NULL;
}

/* A restricted key has one scheme for all that it signs. */
static bool tpm_public_signs_in_one_scheme(const TpmPublic *key)
{
        bool known = key->type == TPM_ALG_ECC
                             ? key->scheme == TPM_ALG_ECDSA
                             : key->scheme == TPM_ALG_RSASSA || key->scheme == TPM_ALG_RSAPSS;

        return known && tpm_hash(key->scheme_hash) != _HASH_MAX && key->symmetric_bits == 0;
}

const char *tpm_public_refuse_ak(const TpmPublic *key)
{
        const char *reason = tpm_public_refuse_loose(key);

        if (reason)
                return reason;
        if (!(key->attributes & TPM_SIGN))
                return "it does not sign (sign is clear)";
        if (key->attributes & TPM_DECRYPT)
                return "it decrypts, too (decrypt is set)";
        if (key->attributes & ~TPM_AK_ATTRIBUTES)
                return "it has an attribute that no attestation key has";
        if (!tpm_public_signs_in_one_scheme(key))
                return "its scheme is not ECDSA, RSASSA or RSAPSS with SHA-256 or SHA-384";
        return NULL;
}

const char *tpm_public_refuse_ek(const TpmPublic *key)
{
        const char *reason = tpm_public_refuse_loose(key);

        if (reason)
                return reason;
        if (!(key->attributes & TPM_DECRYPT))
                return "it does not decrypt (decrypt is clear)";
        if (key->attributes & TPM_SIGN)
                return "it signs, too (sign is set)";
        if (key->symmetric_bits == 0)
                return "it names no symmetric algorithm, so no credential can be encrypted to it";
        return NULL;
}
