/* SPDX-License-Identifier: Apache-2.0 */
/* The agent's HMAC-SHA256 against the vectors of RFC 4231, section 4.2 and 4.3. */
#include "test.h"

#include "mac.h"

static void test_vectors(void **state)
{
        static const struct {
                const char *key, *data, *expected; /* keys are filled up with zeros, as HMAC does */
        } rows[] = {
                {"\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b\x0b",
                 "Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"},
                {"Jefe", "what do ya want for nothing?",
                 "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                uint8_t key[MAC_KEY_SIZE] = {};
                char hex[MAC_HEX_SIZE];
                Mac mac;

                memcpy(key, rows[i].key, strlen(rows[i].key));
                mac_init(&mac, key);
                mac_add(&mac, rows[i].data, 3);
                mac_add(&mac, rows[i].data + 3, strlen(rows[i].data) - 3);
                mac_finish(&mac, hex);
                assert_string_equal(hex, rows[i].expected);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_vectors)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
