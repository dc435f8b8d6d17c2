/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <limits.h>

#include "base/account_counts.h"

static AccountCounts counts;

static void test_counts(void **state)
{
        counts = (AccountCounts){};
        assert_int_equal(account_counts_of(&counts, 1001), 0);
        for (uid_t uid = 0; uid < 3; uid++) /* 0 and those that share its place */
                for (unsigned n = 0; n <= uid; n++)
                        assert_true(account_counts_add(&counts, uid * ACCOUNT_COUNTS_MAX));
        for (uid_t uid = 0; uid < 3; uid++)
                assert_int_equal(account_counts_of(&counts, uid * ACCOUNT_COUNTS_MAX), uid + 1);
        /* the first goes, and those behind it are found all the same */
        account_counts_remove(&counts, 0);
        assert_int_equal(account_counts_of(&counts, 0), 0);
        assert_int_equal(account_counts_of(&counts, 2 * ACCOUNT_COUNTS_MAX), 3);
        assert_true(account_counts_add(&counts, 2 * ACCOUNT_COUNTS_MAX));
        assert_int_equal(account_counts_of(&counts, 2 * ACCOUNT_COUNTS_MAX), 4);
        for (unsigned n = 4; n > 0; n--) {
                account_counts_remove(&counts, 2 * ACCOUNT_COUNTS_MAX);
                assert_int_equal(account_counts_of(&counts, 2 * ACCOUNT_COUNTS_MAX), n - 1);
        }
}

static void test_full(void **state)
{
        counts = (AccountCounts){};
        for (uid_t uid = 0; uid < ACCOUNT_COUNTS_MAX; uid++)
                assert_true(account_counts_add(&counts, 100000 + 7 * uid));
        assert_false(account_counts_add(&counts, 99999));
        assert_int_equal(account_counts_of(&counts, 99999), UINT_MAX);
        assert_true(account_counts_add(&counts, 100007));
        assert_int_equal(account_counts_of(&counts, 100007), 2);
        account_counts_remove(&counts, 100000);
        assert_true(account_counts_add(&counts, 99999));
        assert_int_equal(account_counts_of(&counts, 99999), 1);
        assert_false(account_counts_add(&counts, 100000));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_counts),
                cmocka_unit_test(test_full),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
