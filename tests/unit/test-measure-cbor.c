/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "measure/cbor.h"

#include <string.h>

/* What the writer has, in hex; of a writer that is empty after. */
static void expect(CborWriter *writer, const char *hex)
{
        _cleanup_free_ uint8_t *bytes = NULL;
        _cleanup_free_ char *found = NULL;
        size_t size;

        assert_int_equal(cbor_writer_finish(writer, &bytes, &size), 0);
        found = text_hex(bytes, size);
        assert_string_equal(found, hex);
        cbor_writer_done(writer);
}

/* RFC 8949, appendix A. */
static void test_integers(void **state)
{
        static const struct {
                int64_t value;
                const char *hex;
        } cases[] = {
                {0, "00"},
                {23, "17"},
                {24, "1818"},
                {100, "1864"},
                {255, "18ff"},
                {256, "190100"},
                {1000, "1903e8"},
                {65535, "19ffff"},
                {65536, "1a00010000"},
                {1000000, "1a000f4240"},
                {4294967295, "1affffffff"},
                {4294967296, "1b0000000100000000"},
                {1000000000000, "1b000000e8d4a51000"},
                {INT64_MAX, "1b7fffffffffffffff"},
                {-1, "20"},
                {-10, "29"},
                {-24, "37"},
                {-25, "3818"},
                {-100, "3863"},
                {-256, "38ff"},
                {-257, "390100"},
                {-1000, "3903e7"},
                {INT64_MIN, "3b7fffffffffffffff"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                CborWriter writer = {};

                cbor_put_int(&writer, cases[i].value);
                expect(&writer, cases[i].hex);
        }
}

static void test_strings(void **state)
{
        CborWriter writer = {};

        cbor_put_bytes(&writer, "", 0);
        expect(&writer, "40");
        cbor_put_bytes(&writer, "\1\2\3\4", 4);
        expect(&writer, "4401020304");
        cbor_put_text(&writer, "");
        expect(&writer, "60");
        cbor_put_text(&writer, "IETF");
        expect(&writer, "6449455446");
        cbor_put_text(&writer, "\u00fc");
        expect(&writer, "62c3bc");
        cbor_put_text(&writer, "abcdefghijklmnopqrstuvwx");
        expect(&writer, "78186162636465666768696a6b6c6d6e6f707172737475767778");
}

static void test_containers(void **state)
{
        CborWriter writer = {}, inner = {};

        cbor_begin_array(&writer, 0);
        expect(&writer, "80");
        cbor_begin_map(&writer, 1); /* {1: [2, 3]} */
        cbor_put_int(&writer, 1);
        cbor_begin_array(&writer, 2);
        cbor_put_int(&writer, 2);
        cbor_put_int(&writer, 3);
        expect(&writer, "a101820203");
        cbor_put_tag(&writer, 32); /* RFC 8949: a URI */
        cbor_put_text(&writer, "http://www.example.com");
        expect(&writer, "d82076687474703a2f2f7777772e6578616d706c652e636f6d");
        cbor_put_tag(&writer, 501);
        cbor_put_int(&inner, 24);
        cbor_put_wrapped(&writer, &inner);
        expect(&writer, "d901f5421818");
        assert_int_equal(inner.buffer.size, 0);
}

/* Nothing written is no item. */
static void test_failures(void **state)
{
        CborWriter writer = {}, inner = {.failed = true};
        uint8_t *bytes;
        size_t size;

        assert_int_equal(cbor_writer_finish(&writer, &bytes, &size), -ENOMEM);
        cbor_put_wrapped(&writer, &inner);
        assert_int_equal(cbor_writer_finish(&writer, &bytes, &size), -ENOMEM);
        cbor_writer_done(&writer);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_integers),
                cmocka_unit_test(test_strings),
                cmocka_unit_test(test_containers),
                cmocka_unit_test(test_failures),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
