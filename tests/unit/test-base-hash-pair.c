/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/hash_pair.h"
#include "base/text.h"

/* NIST's examples for FIPS 180-4: the empty message, "abc" and the 56 bytes of two blocks. */
static const struct {
        const char *message, *sha256, *sha384;
} vectors[] = {
        {"", "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
         "38b060a751ac96384cd9327eb1b1e36a21fdb71114be07434c0cc7bf63f6e1da"
         "274edebfe76f65fbd51ad2f14898b95b"},
        {"abc", "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
         "cb00753f45a35e8bb5a03d699ac65007272c32ab0eded1631a8b605a43ff5bed"
         "8086072ba1e7cc2358baeca134c825a7"},
        {"abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq",
         "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1",
         "3391fdddfc8dc7393707a65b1b4709397cf8b1d162af05abfe8f450de5f36bc6"
         "b0455a8520bc4e6f5fe95b1fe3c8452b"},
};

static void assert_pair(const HashPairDigest *pair, size_t i)
{
        _cleanup_free_ char *sha256 = text_hex(pair->sha256, SHA256_SIZE);
        _cleanup_free_ char *sha384 = text_hex(pair->sha384, SHA384_SIZE);

        assert_string_equal(sha256, vectors[i].sha256);
        assert_string_equal(sha384, vectors[i].sha384);
}

static void test_vectors(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
                HashPairDigest pair = {};

                assert_int_equal(
                        hash_pair_bytes(vectors[i].message, strlen(vectors[i].message), &pair), 0);
                assert_pair(&pair, i);
        }
}

static void test_pieces(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(vectors); i++) {
                _cleanup_(hash_pair_freep) HashPair *hash = hash_pair_new();
                HashPairDigest pair = {};

                for (const char *p = vectors[i].message; *p; p++)
                        hash_pair_update(hash, p, 1);
                hash_pair_update(hash, "", 0);
                assert_int_equal(hash_pair_finish(hash, &pair), 0);
                assert_pair(&pair, i);
        }
}

static void test_parse(void **state)
{
        static const char good[] =
                "00112233445566778899aabbccddeeff00112233445566778899AABBCCDDEEFF";
        uint8_t digest[SHA256_SIZE] = {1};
        char text[66] = {};

        assert_int_equal(hash_parse_sha256(good, digest), 0);
        assert_int_equal(digest[0], 0);
        assert_int_equal(digest[17], 0x11);
        assert_int_equal(digest[31], 0xff);

        /* too short, too long, and at either end of a byte no digit; nothing is written then */
        memset(digest, 7, sizeof(digest));
        memcpy(text, good, 63);
        assert_int_equal(hash_parse_sha256(text, digest), -EINVAL);
        memcpy(text, good, 64);
        text[64] = '0';
        assert_int_equal(hash_parse_sha256(text, digest), -EINVAL);
        text[64] = 0;
        text[62] = 'g';
        assert_int_equal(hash_parse_sha256(text, digest), -EINVAL);
        text[62] = 'f';
        text[63] = '\xff';
        assert_int_equal(hash_parse_sha256(text, digest), -EINVAL);
        assert_int_equal(hash_parse_sha256("", digest), -EINVAL);
        for (size_t i = 0; i < SHA256_SIZE; i++)
                assert_int_equal(digest[i], 7);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors),
                cmocka_unit_test(test_pieces),
                cmocka_unit_test(test_parse),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
