/* SPDX-License-Identifier: Apache-2.0 */
#include "verify/tpm_attest.h"

#include <openssl/err.h>
#include <openssl/rsa.h>
#include <string.h>

#include "verify/signature.h"

#define TPM_GENERATED 0xff544347
#define TPM_ST_ATTEST_QUOTE 0x8018
#define TPM_NAME_MAX 66
#define TPM_DATA_MAX 64
#define TPM_DIGEST_MAX 64
#define TPM_SELECT_SIZE_MAX 4

DEFINE_CLEANUP(EVP_PKEY *, EVP_PKEY_free)
DEFINE_CLEANUP(EVP_MD_CTX *, EVP_MD_CTX_free)

static int tpm_attest_refuse(CvmError *error, const char *what, const char *reason)
{
        return cvm_error_artifact(error, what, "%s", reason);
}

/* TPMS_PCR_SELECTION. */
static int tpm_attest_parse_selection(Reader *reader, TpmAttest *attest, CvmError *error)
{
        TpmSelection selection = {.id = tpm_take16(reader)};
        const uint8_t *size = reader_take(reader, 1);
        const uint8_t *bits =
                size && *size <= TPM_SELECT_SIZE_MAX ? reader_take(reader, *size) : NULL;

        if (!bits)
                return tpm_attest_refuse(error, "quote", "its selection of PCRs is broken");
        selection.bank = tpm_hash(selection.id);
        for (unsigned i = 0; i < *size; i++)
                selection.pcrs |= (uint32_t)bits[i] << 8 * i;
        if (selection.pcrs >> PCRS)
                return tpm_attest_refuse(error, "quote", "it selects PCRs above 23");
        for (size_t i = 0; i < attest->n_selections; i++)
                if (attest->selections[i].id == selection.id)
                        return cvm_error_artifact(
                                error, "quote", "it selects PCRs of bank 0x%x twice", selection.id);
        attest->selections[attest->n_selections++] = selection;
        return 0;
}

static int tpm_attest_parse_quote(Reader *reader, TpmAttest *attest, CvmError *error)
{
        uint32_t n = tpm_take32(reader);
        int r = 0;

        if (n > TPM_SELECTIONS_MAX)
                return cvm_error_artifact(error, "quote", "it selects PCRs of %u banks", n);
        for (uint32_t i = 0; r == 0 && i < n; i++)
                r = tpm_attest_parse_selection(reader, attest, error);
        attest->pcr_digest = tpm_take_sized(reader, TPM_DIGEST_MAX);
        return r;
}

int tpm_attest_parse(Bytes bytes, TpmAttest *ret, CvmError *error)
{
        Reader reader = {.rest = bytes};
        TpmAttest attest = {.bytes = bytes};
        const uint8_t *safe;
        uint32_t magic;
        uint16_t type;
        int r;

        if (bytes.size > TPM_ATTEST_MAX)
                return cvm_error_artifact(error, "quote", "is larger than %u bytes",
                                          TPM_ATTEST_MAX);
        magic = tpm_take32(&reader);
        type = tpm_take16(&reader);
        if (magic != TPM_GENERATED)
                return tpm_attest_refuse(error, "quote",
                                         "is not made by a TPM: it does not begin with "
                                         "TPM_GENERATED_VALUE");
        if (type != TPM_ST_ATTEST_QUOTE)
                return cvm_error_artifact(error, "quote", "is an attestation of type 0x%x", type);
        attest.qualified_signer = tpm_take_sized(&reader, TPM_NAME_MAX);
        attest.qualifying_data = tpm_take_sized(&reader, TPM_DATA_MAX);
        attest.clock = tpm_take64(&reader);
        attest.reset_count = tpm_take32(&reader);
        attest.restart_count = tpm_take32(&reader);
        safe = reader_take(&reader, 1);
        attest.firmware_version = tpm_take64(&reader);
        if (!safe || *safe > 1 || reader.failed)
                return tpm_attest_refuse(error, "quote", "is truncated or broken");
        r = tpm_attest_parse_quote(&reader, &attest, error);
        if (r < 0)
                return r;
        if (reader.failed)
                return tpm_attest_refuse(error, "quote", "is truncated");
        if (reader.rest.size > 0)
                return cvm_error_artifact(error, "quote", "is followed by %zu bytes",
                                          reader.rest.size);
        *ret = attest;
        return 0;
}

int tpm_signature_parse(Bytes bytes, TpmSignature *ret, CvmError *error)
{
        Reader reader = {.rest = bytes};
        TpmSignature signature = {.scheme = tpm_take16(&reader)};
        uint16_t hash = tpm_take16(&reader);

        if (reader.failed)
                return tpm_attest_refuse(error, "signature", "is truncated");
        signature.hash = tpm_hash(hash);
        if (signature.scheme == TPM_ALG_ECDSA) {
                signature.r = tpm_take_sized(&reader, P384_SIZE);
                signature.s = tpm_take_sized(&reader, P384_SIZE);
        } else if (signature.scheme == TPM_ALG_RSASSA || signature.scheme == TPM_ALG_RSAPSS) {
                signature.rsa = tpm_take_sized(&reader, TPM_SIGNATURE_MAX);
        } else {
                return cvm_error_artifact(error, "signature", "has an unknown scheme 0x%x",
                                          signature.scheme);
        }
        if (signature.hash == _HASH_MAX)
                return cvm_error_artifact(error, "signature",
                                          "is of hash algorithm 0x%x; it must be SHA-256 or "
                                          "SHA-384",
                                          hash);
        if (reader.failed)
                return tpm_attest_refuse(error, "signature", "is truncated");
        if (reader.rest.size > 0)
                return cvm_error_artifact(error, "signature", "is followed by %zu bytes",
                                          reader.rest.size);
        *ret = signature;
        return 0;
}

static const EVP_MD *tpm_attest_md(HashAlgorithm hash)
{
        return hash == HASH_SHA256 ? EVP_sha256() : EVP_sha384();
}

static int tpm_attest_verify_ecdsa(const TpmAttest *attest, const TpmSignature *signature,
                                   EVP_PKEY *key)
{
        uint8_t r[P384_SIZE] = {}, s[P384_SIZE] = {};

        if (signature->r.size > 0)
                memcpy(r + sizeof(r) - signature->r.size, signature->r.data, signature->r.size);
        if (signature->s.size > 0)
                memcpy(s + sizeof(s) - signature->s.size, signature->s.data, signature->s.size);
        return signature_verify(key, tpm_attest_md(signature->hash), r, s, sizeof(r), attest->bytes)
                       ? 0
                       : -EKEYREJECTED;
}

static int tpm_attest_verify_rsa(const TpmAttest *attest, const TpmSignature *signature,
                                 EVP_PKEY *key)
{
        _cleanup_(EVP_MD_CTX_freep) EVP_MD_CTX *context = EVP_MD_CTX_new();
        const EVP_MD *md = tpm_attest_md(signature->hash);
        EVP_PKEY_CTX *options = NULL;
        bool pss = signature->scheme == TPM_ALG_RSAPSS, right;

        if (!context || EVP_DigestVerifyInit(context, &options, md, NULL, key) != 1)
                return -ENOMEM;
        if (pss && (EVP_PKEY_CTX_set_rsa_padding(options, RSA_PKCS1_PSS_PADDING) != 1 ||
                    EVP_PKEY_CTX_set_rsa_pss_saltlen(options, RSA_PSS_SALTLEN_AUTO) != 1))
                return -ENOMEM;
        right = EVP_DigestVerify(context, signature->rsa.data, signature->rsa.size,
                                 attest->bytes.data, attest->bytes.size) == 1;
        ERR_clear_error();
        return right ? 0 : -EKEYREJECTED;
}

int tpm_attest_verify(const TpmAttest *attest, const TpmSignature *signature, const TpmPublic *key)
{
        bool ecdsa = signature->scheme == TPM_ALG_ECDSA;
        _cleanup_(EVP_PKEY_freep) EVP_PKEY *public = NULL;
        int r;

        if (ecdsa != (key->type == TPM_ALG_ECC))
                return -EKEYREJECTED;
        if (key->scheme != TPM_ALG_NULL &&
            (key->scheme != signature->scheme || tpm_hash(key->scheme_hash) != signature->hash))
                return -EKEYREJECTED;
        r = tpm_public_key(key, &public);
        if (r < 0)
                return r == -EINVAL ? -EKEYREJECTED : r;
        return ecdsa ? tpm_attest_verify_ecdsa(attest, signature, public)
                     : tpm_attest_verify_rsa(attest, signature, public);
}

int tpm_attest_check_signer(const TpmAttest *attest, const TpmPublic *key)
{
        static const uint8_t hierarchies[] = {0x01, 0x07, 0x0b, 0x0c}; /* of 0x40000000 */
        uint8_t input[4 + sizeof((TpmName){}.bytes)] = {0x40};
        HashDigest digest;
        TpmName name;
        int r = tpm_public_name(key, &name);

        if (r < 0)
                return r;
        if (attest->qualified_signer.size != name.size ||
            memcmp(attest->qualified_signer.data, name.bytes, 2) != 0)
                return -EKEYREJECTED;
        memcpy(input + 4, name.bytes, name.size);
        for (size_t i = 0; i < ARRAY_SIZE(hierarchies); i++) {
                input[3] = hierarchies[i];
                r = hash_bytes(key->name_hash, input, 4 + name.size, &digest);
                if (r < 0)
                        return r;
                if (memcmp(attest->qualified_signer.data + 2, digest.bytes, name.size - 2) == 0)
                        return 0;
        }
        return -EKEYREJECTED;
}

int tpm_attest_digest(const TpmAttest *attest, const Pcrs *pcrs, HashAlgorithm hash,
                      HashDigest *ret, uint16_t *ret_bank, unsigned *ret_index)
{
        _cleanup_(hash_freep) Hash *running = hash_new(hash);

        if (!running)
                return -ENOMEM;
        for (size_t i = 0; i < attest->n_selections; i++) {
                const TpmSelection *selection = &attest->selections[i];
                HashAlgorithm bank = selection->bank;

                for (unsigned n = 0; n < PCRS; n++) {
                        if (!(selection->pcrs & 1u << n))
                                continue;
                        if (bank == _HASH_MAX || !pcrs->has[bank][n]) {
                                *ret_bank = selection->id;
                                *ret_index = n;
                                return -ENOENT;
                        }
                        hash_update(running, pcrs->values[bank][n].bytes, hash_size(bank));
                }
        }
        return hash_finish(running, ret);
}
