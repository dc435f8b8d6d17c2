/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "verify/tpm_attest.h"
#include "verify/tpm_credential.h"

/* What a real swtpm said: tests/vectors/README.md. */
static json_object *vectors;

static const char *const aks[] = {"ecc", "ecc384", "rsa", "pss"};
static const char *const eks[] = {"rsa2048", "p256", "p384"};

static int setup(void **state)
{
        _cleanup_free_ char *path = NULL, *data = NULL;
        size_t size;

        path = text_format("%s/tests/vectors/tpm-swtpm.json", getenv("CVMD_SOURCE_ROOT"));
        assert_int_equal(file_read_at(AT_FDCWD, path, 1u << 20, &data, &size), 0);
        assert_int_equal(json_parse(data, size, &vectors, NULL), 0);
        return 0;
}

static int teardown(void **state)
{
        json_object_put(vectors);
        return 0;
}

static Bytes vector(json_object *object, const char *name)
{
        const char *hex = json_member_string(object, name);
        size_t size = strlen(hex) / 2;
        uint8_t *data = malloc(size);

        assert_non_null(data);
        assert_int_equal(text_unhex(hex, data, size), 0);
        return (Bytes){data, size};
}

static void vector_free(Bytes bytes)
{
        free((void *)bytes.data);
}

/* The parts of a quote by one of the AKs. */
typedef struct Quoted {
        Bytes public, quote, signature;
        TpmPublic key;
        TpmAttest attest;
        TpmSignature signed_by;
} Quoted;

static void quoted_parse(Quoted *quoted)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(tpm_public_parse(quoted->public, "ak", &quoted->key, &error), 0);
        assert_int_equal(tpm_attest_parse(quoted->quote, &quoted->attest, &error), 0);
        assert_int_equal(tpm_signature_parse(quoted->signature, &quoted->signed_by, &error), 0);
}

static void quoted_init(Quoted *quoted, const char *name)
{
        json_object *object = json_member(json_member(vectors, "aks"), name);

        *quoted = (Quoted){vector(object, "public"), vector(object, "quote"),
                           vector(object, "signature")};
        quoted_parse(quoted);
}

static void quoted_done(Quoted *quoted)
{
        vector_free(quoted->public);
        vector_free(quoted->quote);
        vector_free(quoted->signature);
}

static int quoted_verify(const Quoted *quoted)
{
        return tpm_attest_verify(&quoted->attest, &quoted->signed_by, &quoted->key);
}

/* swtpm put the AK's qualified name into the quote: the digest of its hierarchy's handle (owner)
 * and its name. */
static void test_names(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(aks); i++) {
                uint8_t input[4 + 2 + HASH_SIZE_MAX] = {0x40, 0, 0, 1};
                HashDigest digest;
                TpmName name;
                Quoted quoted;

                quoted_init(&quoted, aks[i]);
                assert_int_equal(tpm_public_name(&quoted.key, &name), 0);
                memcpy(input + 4, name.bytes, name.size);
                assert_int_equal(hash_bytes(quoted.key.name_hash, input, 4 + name.size, &digest),
                                 0);
                assert_int_equal(quoted.attest.qualified_signer.size, name.size);
                assert_memory_equal(quoted.attest.qualified_signer.data, name.bytes, 2);
                assert_memory_equal(quoted.attest.qualified_signer.data + 2, digest.bytes,
                                    name.size - 2);
                assert_int_equal(tpm_attest_check_signer(&quoted.attest, &quoted.key), 0);
                ((uint8_t *)quoted.public.data)[7] ^= 1;
                assert_int_equal(tpm_attest_check_signer(&quoted.attest, &quoted.key),
                                 -EKEYREJECTED);
                quoted_done(&quoted);
        }
}

static void assert_error(const CvmError *error, const char *part)
{
        _cleanup_free_ char *message = cvm_error_message(error);

        if (!strstr(message, part))
                fail_msg("%s: no '%s'", message, part);
}

static void assert_public_refused(Bytes bytes, const char *part)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        TpmPublic key;

        assert_int_equal(tpm_public_parse(bytes, "ak", &key, &error), -EBADMSG);
        assert_error(&error, part);
}

static void test_attributes(void **state)
{
        static const struct {
                uint32_t flipped;
                const char *name;
        } cases[] = {
                {TPM_FIXED_TPM, "fixedTPM"},
                {TPM_FIXED_PARENT, "fixedParent"},
                {TPM_SENSITIVE_DATA_ORIGIN, "sensitiveDataOrigin"},
                {TPM_RESTRICTED, "restricted"},
                {TPM_SIGN, "sign"},
                {TPM_DECRYPT, "decrypt"},
        };
        Quoted quoted;

        quoted_init(&quoted, "ecc");
        assert_null(tpm_public_refuse_ak(&quoted.key));
        assert_non_null(strstr(tpm_public_refuse_ek(&quoted.key), "decrypt is clear"));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                TpmPublic other = quoted.key;

                other.attributes ^= cases[i].flipped;
                assert_non_null(strstr(tpm_public_refuse_ak(&other), cases[i].name));
        }
        quoted_done(&quoted);
        for (size_t i = 0; i < ARRAY_SIZE(eks); i++) {
                Bytes bytes = vector(json_member(vectors, "eks"), eks[i]);
                _cleanup_(cvm_error_done) CvmError error = {};
                TpmPublic key;

                assert_int_equal(tpm_public_parse(bytes, "ek", &key, &error), 0);
                assert_null(tpm_public_refuse_ek(&key));
                assert_non_null(strstr(tpm_public_refuse_ak(&key), "does not sign"));
                vector_free(bytes);
        }
}

/* Of every structure: each shorter one, and one byte more, which must also not be read. */
static void test_sizes(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(aks); i++) {
                Quoted quoted;
                uint8_t longer[2048] = {};
                CvmError error = {};
                TpmAttest attest;
                TpmSignature signature;

                quoted_init(&quoted, aks[i]);
                for (size_t size = 0; size < quoted.public.size; size++)
                        assert_public_refused((Bytes){quoted.public.data, size}, "truncated");
                memcpy(longer, quoted.public.data, quoted.public.size);
                assert_public_refused((Bytes){longer, quoted.public.size + 1},
                                      "followed by 1 bytes");
                for (size_t size = 0; size <= quoted.quote.size + 1; size++) {
                        memcpy(longer, quoted.quote.data, quoted.quote.size);
                        assert_int_equal(tpm_attest_parse((Bytes){longer, size}, &attest, &error),
                                         size == quoted.quote.size ? 0 : -EBADMSG);
                        cvm_error_done(&error);
                }
                for (size_t size = 0; size <= quoted.signature.size + 1; size++) {
                        memcpy(longer, quoted.signature.data, quoted.signature.size);
                        assert_int_equal(
                                tpm_signature_parse((Bytes){longer, size}, &signature, &error),
                                size == quoted.signature.size ? 0 : -EBADMSG);
                        cvm_error_done(&error);
                }
                quoted_done(&quoted);
        }
}

static void test_foreign_keys(void **state)
{
        static const struct {
                size_t offset;
                uint8_t value;
                const char *message;
        } cases[] = {
                {1, 0x08, "is a key of type 0x8"},
                {3, 0x0d, "hash algorithm 0xd"},
                {9, 0xff, "truncated"}, /* the size of the policy */
                {11, 0x06, "must be AES"},
                {13, 0x1b, "unknown scheme 0x1b"},
                {17, 0x10, "curve 0x10"},
                {19, 0x20, "derives keys"},
        };
        Quoted quoted;

        quoted_init(&quoted, "ecc");
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint8_t *byte = (uint8_t *)quoted.public.data + cases[i].offset, kept = *byte;
                _cleanup_(cvm_error_done) CvmError error = {};
                TpmPublic key;

                *byte = cases[i].value;
                assert_int_equal(tpm_public_parse(quoted.public, "ak", &key, &error), -EBADMSG);
                assert_error(&error, cases[i].message);
                *byte = kept;
        }
        quoted_done(&quoted);
}

static void test_quotes(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(aks); i++) {
                Bytes expected = vector(vectors, "qualifyingData");
                Quoted quoted;

                quoted_init(&quoted, aks[i]);
                assert_int_equal(quoted_verify(&quoted), 0);
                assert_true(
                        bytes_equal(quoted.attest.qualifying_data, expected.data, expected.size));
                assert_int_equal(quoted.attest.n_selections, 2);
                assert_int_equal(quoted.attest.selections[0].bank, HASH_SHA256);
                assert_int_equal(quoted.attest.selections[0].pcrs, 0x800211);
                assert_int_equal(quoted.attest.selections[1].bank, HASH_SHA384);
                assert_int_equal(quoted.attest.selections[1].pcrs, 0x210);
                quoted_done(&quoted);
                vector_free(expected);
        }
}

/* The scheme and hash that a key fixes are the only ones; keys of others are none. */
static void test_other_keys(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(aks); i++)
                for (size_t j = 0; j < ARRAY_SIZE(aks); j++) {
                        Quoted one, other;

                        quoted_init(&one, aks[i]);
                        quoted_init(&other, aks[j]);
                        assert_int_equal(tpm_attest_verify(&one.attest, &one.signed_by, &other.key),
                                         i == j ? 0 : -EKEYREJECTED);
                        assert_int_equal(tpm_attest_verify(&one.attest, &other.signed_by, &one.key),
                                         i == j ? 0 : -EKEYREJECTED);
                        quoted_done(&one);
                        quoted_done(&other);
                }
}

/* Whether the quote, with one bit of `bytes` flipped, is still one that the AK signed. */
static bool still_signed(const Quoted *quoted, Bytes bytes, size_t bit)
{
        uint8_t *byte = (uint8_t *)bytes.data + bit / 8;
        CvmError error = {};
        Quoted changed = *quoted;
        bool right;

        *byte ^= (uint8_t)(1u << bit % 8);
        right = tpm_attest_parse(quoted->quote, &changed.attest, &error) == 0 &&
                tpm_signature_parse(quoted->signature, &changed.signed_by, &error) == 0 &&
                quoted_verify(&changed) == 0;
        *byte ^= (uint8_t)(1u << bit % 8);
        cvm_error_done(&error);
        return right;
}

static void test_bits(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(aks); i++) {
                Quoted quoted;

                quoted_init(&quoted, aks[i]);
                for (size_t bit = 0; bit < 8 * quoted.quote.size; bit++)
                        assert_false(still_signed(&quoted, quoted.quote, bit));
                for (size_t bit = 0; bit < 8 * quoted.signature.size; bit++)
                        assert_false(still_signed(&quoted, quoted.signature, bit));
                assert_int_equal(quoted_verify(&quoted), 0);
                quoted_done(&quoted);
        }
}

static void test_digest(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(aks); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                HashDigest digest;
                uint16_t bank = 0;
                unsigned index = 0;
                Quoted quoted;
                Pcrs pcrs;

                quoted_init(&quoted, aks[i]);
                assert_int_equal(pcrs_parse_json(json_member(vectors, "pcrs"), &pcrs, &error), 0);
                assert_int_equal(tpm_attest_digest(&quoted.attest, &pcrs, quoted.signed_by.hash,
                                                   &digest, &bank, &index),
                                 0);
                assert_true(bytes_equal(quoted.attest.pcr_digest, digest.bytes,
                                        hash_size(digest.algorithm)));
                pcrs.values[HASH_SHA384][9].bytes[47] ^= 1;
                assert_int_equal(tpm_attest_digest(&quoted.attest, &pcrs, quoted.signed_by.hash,
                                                   &digest, &bank, &index),
                                 0);
                assert_false(bytes_equal(quoted.attest.pcr_digest, digest.bytes,
                                         hash_size(digest.algorithm)));
                pcrs.has[HASH_SHA384][9] = false;
                assert_int_equal(tpm_attest_digest(&quoted.attest, &pcrs, quoted.signed_by.hash,
                                                   &digest, &bank, &index),
                                 -ENOENT);
                assert_int_equal(bank, TPM_ALG_SHA384);
                assert_int_equal(index, 9);
                quoted_done(&quoted);
        }
}

/* What no TPM sends in one answer. */
static void test_foreign_quotes(void **state)
{
        _cleanup_(cvm_error_done) CvmError last = {};
        static const uint8_t head[] = {0xff, 0x54, 0x43, 0x47, 0x80, 0x18, 0, 0, 0, 0};
        uint8_t bytes[256] = {};
        const struct {
                uint8_t selections[16];
                size_t size;
                const char *message;
        } cases[] = {
                {{0, 0, 0, 9}, 4, "PCRs of 9 banks"},
                {{0, 0, 0, 1, 0, 0xb, 4, 0, 0, 0, 1}, 11, "above 23"},
                {{0, 0, 0, 1, 0, 0xb, 5}, 12, "broken"},
                {{0, 0, 0, 2, 0, 0xb, 1, 1, 0, 0xb, 1, 2}, 12, "twice"},
        };

        memcpy(bytes, head, sizeof(head));
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                size_t at = sizeof(head) + 8 + 4 + 4 + 1 + 8;
                TpmAttest attest;

                memcpy(bytes + at, cases[i].selections, cases[i].size);
                assert_int_equal(
                        tpm_attest_parse((Bytes){bytes, at + cases[i].size + 2}, &attest, &error),
                        -EBADMSG);
                assert_error(&error, cases[i].message);
        }
        bytes[0] = 0xfe;
        assert_int_equal(tpm_attest_parse((Bytes){bytes, 64}, &(TpmAttest){}, &last), -EBADMSG);
}

/* That a TPM can open them is seen in tests/attest. */
static void test_credentials(void **state)
{
        Quoted ak;
        TpmName name;

        quoted_init(&ak, "ecc");
        assert_int_equal(tpm_public_name(&ak.key, &name), 0);
        for (size_t i = 0; i < ARRAY_SIZE(eks); i++) {
                Bytes bytes = vector(json_member(vectors, "eks"), eks[i]);
                _cleanup_(cvm_error_done) CvmError error = {};
                TpmCredential one, other;
                TpmPublic ek;

                assert_int_equal(tpm_public_parse(bytes, "ek", &ek, &error), 0);
                assert_int_equal(tpm_credential_make(&ek, &name, (Bytes){(uint8_t *)"s", 1}, &one),
                                 0);
                assert_int_equal(
                        tpm_credential_make(&ek, &name, (Bytes){(uint8_t *)"s", 1}, &other), 0);
                assert_int_equal(one.blob_size, 4 + hash_size(ek.name_hash) + 3);
                assert_int_equal(one.secret_size, other.secret_size);
                /* each has a seed of its own */
                assert_memory_not_equal(one.secret, other.secret, one.secret_size);
                assert_memory_not_equal(one.blob, other.blob, one.blob_size);
                assert_int_equal(tpm_credential_make(&ek, &name, (Bytes){}, &one), -EINVAL);
                assert_int_equal(tpm_credential_make(&ek, &name, (Bytes){bytes.data, 33}, &one),
                                 -EINVAL);
                vector_free(bytes);
        }
        quoted_done(&ak);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_names),          cmocka_unit_test(test_attributes),
                cmocka_unit_test(test_sizes),          cmocka_unit_test(test_foreign_keys),
                cmocka_unit_test(test_quotes),         cmocka_unit_test(test_other_keys),
                cmocka_unit_test(test_bits),           cmocka_unit_test(test_digest),
                cmocka_unit_test(test_foreign_quotes), cmocka_unit_test(test_credentials),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
