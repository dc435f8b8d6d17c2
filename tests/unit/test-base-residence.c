/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/residence.h"
#include "directory.h"
#include "mounts.h"

#define HEADING "Filename\t\t\t\tType\t\tSize\t\tUsed\t\tPriority\n"
#define DISK HEADING "/dev/sda2 partition 1048576 0 -2\n"
#define ZRAM HEADING "/dev/zram0 partition 1048576 0 100\n"

/* What is below a path, on a host that swaps as `swaps` says. */
static Residence residence(const char *directory, const char *path, const char *swaps)
{
        _cleanup_close_ int dirfd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_free_ char *file = NULL;

        assert_true(dirfd >= 0 && fd >= 0);
        assert_int_equal(file_write_atomic_at(dirfd, "swaps", swaps, strlen(swaps), 0600), 0);
        assert_true(asprintf(&file, "%s/swaps", directory) > 0);
        return residence_of(fd, "/proc/self/mountinfo", file);
}

static void test_disk(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();

        assert_int_equal(residence(directory, "/proc", HEADING), RESIDENCE_DISK);
}

/* Mounts over the test's own directory, which nobody else sees. */
static void on_mount(const char *type, const char *options, Residence with_swap)
{
        _cleanup_(directory_remove) char *directory = directory_make(), *other = directory_make();

        if (!mount_privately(type, other, options)) {
                if (errno == EPERM || errno == EINVAL)
                        skip(); /* no root; a kernel before 6.4 */
                fail_msg("mount: %s", strerror(errno));
        }
        assert_int_equal(residence(directory, other, DISK), with_swap);
        assert_int_equal(residence(directory, other, DISK "/dev/zram0 partition 1 0 1\n"),
                         with_swap);
        assert_int_equal(residence(directory, other, HEADING), RESIDENCE_MEMORY);
        assert_int_equal(residence(directory, other, ZRAM), RESIDENCE_MEMORY);
        assert_int_equal(umount(other), 0);
}

static void test_ramfs(void **state)
{
        on_mount("ramfs", NULL, RESIDENCE_MEMORY);
}

static void test_tmpfs(void **state)
{
        on_mount("tmpfs", "mode=0700", RESIDENCE_SWAPPABLE);
}

static void test_noswap(void **state)
{
        on_mount("tmpfs", "noswap,mode=0700", RESIDENCE_MEMORY);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_disk),
                cmocka_unit_test(test_ramfs),
                cmocka_unit_test(test_tmpfs),
                cmocka_unit_test(test_noswap),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
