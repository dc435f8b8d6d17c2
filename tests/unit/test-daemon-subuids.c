/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "directory.h"
#include "leaks.h"
#include "local/subuids.h"

static const char passwd[] = "root:x:0:0::/root:/bin/sh\n"
                             "annabel:x:1009:1009::/:/bin/sh\n"
                             "ann:x:1001:1001::/:/bin/sh\n"
                             "odd\n"
                             "bob:x:1002:1002::/:/bin/sh";

/* What subuid says in this directory; passwd as above. */
static int read_in(const char *directory, Subuids **ret)
{
        _cleanup_free_ char *ranges = NULL, *users = NULL, *message = NULL;
        int r;
        int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(file_write_atomic_at(dirfd, "passwd", passwd, strlen(passwd), 0600), 0);
        close(dirfd);
        assert_true(asprintf(&ranges, "%s/subuid", directory) > 0);
        assert_true(asprintf(&users, "%s/passwd", directory) > 0);
        r = subuids_read(ranges, users, ret, &message);
        if (r < 0) /* and it is said which file */
                assert_ptr_equal(strstr(message, ranges), message);
        return r;
}

static Subuids *parse(const char *text, size_t size)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        Subuids *subuids = NULL;

        assert_int_equal(file_write_atomic_at(dirfd, "subuid", text, size, 0600), 0);
        close(dirfd);
        assert_int_equal(read_in(directory, &subuids), 0);
        return subuids;
}

static void test_accounts(void **state)
{
        static const char text[] = "ann:100000:65536\n"
                                   "\n"
                                   "# a comment\n"
                                   "1002:200000:10\n"
                                   "bob:300000:1\n"
                                   "stranger:400000:5\n"
                                   "root:500000:5\n"
                                   "ann:0:100\n"
                                   "ann:600000:0\n"
                                   "ann:-5:9\n"
                                   "ann:700000\n"
                                   "ann:4294967290:65536";
        static const struct {
                uid_t uid, account;
        } cases[] = {
                {0, 0},           {1, 1},           {1001, 1001},     {99999, 99999},
                {100000, 1001},   {165535, 1001},   {165536, 165536}, {200009, 1002},
                {200010, 200010}, {300000, 1002},   {300001, 300001}, {400004, 400000},
                {500004, 500000}, {600000, 600000}, {700000, 700000}, {4294967294, 1001},
        };
        _cleanup_(subuids_freep) Subuids *subuids = parse(text, strlen(text));

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                if (subuids_account(subuids, cases[i].uid) != cases[i].account)
                        fail_msg("%u is counted to %u", cases[i].uid,
                                 subuids_account(subuids, cases[i].uid));
        assert_int_equal(subuids_account(NULL, 100000), 100000);
}

static void test_overlapping(void **state)
{
        static const char text[] = "bob:100000:65536\nann:110000:10\n";
        _cleanup_(subuids_freep) Subuids *subuids = parse(text, strlen(text));

        assert_int_equal(subuids_account(subuids, 109999), 1002);
        assert_int_equal(subuids_account(subuids, 110009), 1001);
        assert_int_equal(subuids_account(subuids, 110010), 1002);
}

static void put(const char *directory, const char *text, size_t size)
{
        int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(file_write_atomic_at(dirfd, "subuid", text, size, 0600), 0);
        close(dirfd);
}

/* As many as there may be, and one more: none is left out without a word. */
static void test_bounds(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_(subuids_freep) Subuids *subuids = NULL, *none = NULL, *many = NULL;
        _cleanup_free_ char *text = malloc(SUBUIDS_BYTES_MAX + 1);
        size_t size = 0;

        assert_non_null(text);
        for (unsigned i = 0; i < SUBUIDS_RANGES_MAX; i++)
                size += (size_t)sprintf(text + size, "ann:%u:1\n", 100000 + i);
        many = parse(text, size);
        assert_int_equal(subuids_account(many, 100000), 1001);
        assert_int_equal(subuids_account(many, 100000 + SUBUIDS_RANGES_MAX - 1), 1001);
        assert_int_equal(read_in(directory, &none), 0); /* there is no such file */
        assert_int_equal(subuids_account(none, 100000), 100000);
        size += (size_t)sprintf(text + size, "1001:99999:1\n");
        put(directory, text, size);
        assert_int_equal(read_in(directory, &subuids), -E2BIG);
        memset(text, '\n', SUBUIDS_BYTES_MAX + 1);
        put(directory, text, SUBUIDS_BYTES_MAX + 1);
        assert_int_equal(read_in(directory, &subuids), -EFBIG);
        assert_null(subuids);
}

/* Nobody but root may act as a CVM. */
static void test_uids_of_cvms(void **state)
{
        static const char text[] = "root:1000000:1000000000\n"
                                   "ann:100000:65536\n"
                                   "stranger:300000:10\n";
        static const struct {
                uid_t first, last;
                int r;
        } cases[] = {
                {1, 99999, 0},         {1, 100000, -EINVAL},      {165535, 165536, -EINVAL},
                {165536, 200000, 0},   {110000, 110000, -EINVAL}, {300009, 300009, -EINVAL},
                {1000000, 2000000, 0}, {90000, 3000000, -EINVAL},
        };
        _cleanup_(subuids_freep) Subuids *subuids = parse(text, strlen(text));

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *message = NULL;
                int r = subuids_check(subuids, "/s", cases[i].first, cases[i].last, &message);

                assert_int_equal(r, cases[i].r);
                assert_true(r == 0 || strncmp(message, "/s: the range of uid ", 21) == 0);
        }
        assert_int_equal(subuids_check(NULL, "/s", 1, 200000, NULL), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_accounts),
                leaks_unit_test(test_overlapping),
                leaks_unit_test(test_bounds),
                leaks_unit_test(test_uids_of_cvms),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
