/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/tree.h"
#include "leaks.h"
#include "local/mounts_below.h"
#include "mounts.h"

static char directory[] = "/tmp/cvmd-test-below-XXXXXX";
static int fd = -1;
static unsigned id;

static int setup(void **state)
{
        struct statx st;

        assert_non_null(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st), 0);
        id = (unsigned)st.stx_mnt_id;
        return 0;
}

static int teardown(void **state)
{
        close(fd);
        return tree_remove_at(AT_FDCWD, directory);
}

/* mountinfo as written; %D is the directory, %I its mount. Returns what the function returns. */
static int read_text(const char *text, size_t max, MountsBelow *ret)
{
        _cleanup_free_ char *path = NULL;
        FILE *file;
        int r;

        assert_true(asprintf(&path, "%s/mountinfo", directory) > 0);
        file = fopen(path, "we");
        assert_non_null(file);
        for (const char *p = text; *p; p++) {
                if (p[0] == '%' && p[1] == 'D')
                        fputs(directory, file);
                else if (p[0] == '%' && p[1] == 'I')
                        fprintf(file, "%u", id);
                else
                        fputc(*p, file);
                p += p[0] == '%';
        }
        fclose(file);
        r = mounts_below_read(fd, path, max, ret);
        unlink(path);
        return r;
}

static void check(const char *text, size_t n, const MountBelow *expected)
{
        _cleanup_(mounts_below_done) MountsBelow mounts = {};

        assert_int_equal(read_text(text, 8, &mounts), 0);
        assert_int_equal(mounts.n, n);
        for (size_t i = 0; i < n; i++) {
                assert_string_equal(mounts.list[i].path, expected[i].path);
                assert_string_equal(mounts.list[i].type, expected[i].type);
                assert_int_equal(mounts.list[i].unbindable, expected[i].unbindable);
        }
}

#define PATH(name) (char *)name

/* Those on top of the directory's own mount, and on top of these. */
static void test_only_what_hangs_from_it(void **state)
{
        _cleanup_free_ char *sub = NULL, *deep = NULL;

        assert_true(asprintf(&sub, "%s/a b", directory) > 0);
        assert_true(asprintf(&deep, "%s/a b/c", directory) > 0);
        check("%I 1 8:1 / / rw shared:1 - ext4 /dev/vda rw\n"
              "900001 %I 0:50 / %D/a\\040b rw,nosuid shared:2 master:1 - tmpfs none rw\n"
              "900002 900001 0:51 / %D/a\\040b/c rw unbindable - xfs none rw\n"
              "900003 %I 0:52 / %Dx rw - tmpfs none rw\n"
              "900004 %I 0:53 / /elsewhere rw - tmpfs none rw\n"
              "900005 900004 0:54 / %D/d rw - tmpfs none rw\n",
              2, (MountBelow[]){{sub, PATH("tmpfs"), false}, {deep, PATH("xfs"), true}});
        check("%I 1 8:1 / / rw - ext4 /dev/vda rw\n", 0, NULL);
}

/* The child was there before the mount that was moved below it. */
static void test_order_counts_for_nothing(void **state)
{
        _cleanup_free_ char *sub = NULL, *deep = NULL;

        assert_true(asprintf(&sub, "%s/a", directory) > 0);
        assert_true(asprintf(&deep, "%s/a/b", directory) > 0);
        check("900001 900002 0:50 / %D/a/b rw - tmpfs none rw\n"
              "900002 %I 0:51 / %D/a rw - ext4 none rw\n",
              2, (MountBelow[]){{deep, PATH("tmpfs"), false}, {sub, PATH("ext4"), false}});
}

static void test_what_is_none_of_its_lines(void **state)
{
        check("", 0, NULL);
        check("\n\n900001\n900001 %I\nx y z 1 2 3 - a b c\n900001 %I 0:1 / %D/a\n", 0, NULL);
        check("900001 %I 0:1 / %D/a rw -\n900001 %I 0:1 / %D/a rw shared:1\n", 0, NULL);
        /* a loop, which no kernel writes */
        check("900001 900002 0:1 / %D/a rw - a b c\n900002 900001 0:1 / %D/b rw - a b c\n", 0,
              NULL);
}

static void test_bound(void **state)
{
        static const char text[] = "900001 %I 0:1 / %D/a rw - tmpfs n rw\n"
                                   "900002 %I 0:2 / %D/b rw - tmpfs n rw\n"
                                   "900003 900002 0:3 / %D/b/c rw - tmpfs n rw\n";
        MountsBelow mounts = {};

        assert_int_equal(read_text(text, 2, &mounts), -E2BIG);
        assert_int_equal(read_text(text, 0, &mounts), -E2BIG);
        assert_int_equal(read_text(text, 3, &mounts), 0);
        assert_int_equal(mounts.n, 3);
        mounts_below_done(&mounts);
}

/* The kernel's own list, with a name that must be escaped. */
static void test_real_mounts(void **state)
{
        _cleanup_(mounts_below_done) MountsBelow mounts = {}, none = {};
        _cleanup_free_ char *path = NULL;
        int here, sub;

        assert_true(asprintf(&path, "%s/a \\ b\n", directory) > 0);
        assert_int_equal(mkdir(path, 0755), 0);
        if (!mount_privately("tmpfs", path, "size=64k")) {
                print_message("cannot mount: %s\n", strerror(errno));
                skip();
        }
        here = open(directory, O_PATH | O_CLOEXEC); /* of the new mount namespace */
        sub = open(path, O_PATH | O_CLOEXEC);
        assert_int_equal(mounts_below_read(here, "/proc/self/mountinfo", 4, &mounts), 0);
        assert_int_equal(mounts.n, 1);
        assert_string_equal(mounts.list[0].path, path);
        assert_string_equal(mounts.list[0].type, "tmpfs");
        assert_int_equal(mounts_below_read(sub, "/proc/self/mountinfo", 4, &none), 0);
        assert_int_equal(none.n, 0);
        close(here);
        close(sub);
        assert_int_equal(umount2(path, MNT_DETACH), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_only_what_hangs_from_it),
                leaks_unit_test(test_order_counts_for_nothing),
                leaks_unit_test(test_what_is_none_of_its_lines),
                leaks_unit_test(test_bound),
                leaks_unit_test(test_real_mounts),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
