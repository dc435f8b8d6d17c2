/* SPDX-License-Identifier: Apache-2.0 */
/* The binding of evidence to a TLS connection against the vectors of cvm-attest(7), which Python's
 * hashlib has computed. */
#include "test.h"

#include "base/attest_binding.h"
#include "base/text.h"

static void test_vectors(void **state)
{
        static const struct {
                bool counted; /* the bytes of the session are 00 to 5f; else all are zero */
                const char *binding, *qualifier;
        } rows[] = {
                {true,
                 "531a6ef556fb3d25913783979b7c5b66a49e4b5b08549dd39c4d6d95b208caab"
                 "9ac78b2a49e125ba95c108c05956dc50c06bade07fd03ae153e4477f04f7c173",
                 "b28733771eaa9a59b1d90c7a761416f8ec9f698644100d4af7752e540b423266"},
                {false,
                 "4b5ca3734a490aee47e1764cd133118a0ad45c249ed8f75a267cf0d94b94fb9a"
                 "de875ebf9f2c14afa8bbeb6fd98565e66fdea628c42b4982f074032f6fbf20ed",
                 "c4470c320975928474edfc730fc6f364c3d7d13783cccb0bb402410f1648b07e"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                uint8_t binding[ATTEST_BINDING_SIZE], qualifier[ATTEST_QUALIFIER_SIZE];
                _cleanup_free_ char *hex = NULL, *short_hex = NULL;
                AttestSession session = {};

                for (uint8_t j = 0; rows[i].counted && j < 32; j++) {
                        session.random[j] = j;
                        session.spki[j] = (uint8_t)(32 + j);
                        session.exporter[j] = (uint8_t)(64 + j);
                }
                assert_int_equal(attest_binding(&session, binding), 0);
                assert_int_equal(attest_binding_qualifier(binding, qualifier), 0);
                hex = text_hex(binding, sizeof(binding));
                short_hex = text_hex(qualifier, sizeof(qualifier));
                assert_string_equal(hex, rows[i].binding);
                assert_string_equal(short_hex, rows[i].qualifier);
        }
}

/* COCONUT-SVSM's vTPM takes at most 50 bytes as qualifyingData, and the SVSM's nonce has 64. */
static void test_sizes(void **state)
{
        assert_true(ATTEST_QUALIFIER_SIZE <= 48);
        assert_int_equal(ATTEST_BINDING_SIZE, 64);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_vectors),
                cmocka_unit_test(test_sizes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
