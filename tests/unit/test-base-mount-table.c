/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/mount_table.h"
#include "leaks.h"
#include "mounts.h"

static uint64_t mount_of(const char *path)
{
        struct statx st;

        assert_int_equal(statx(AT_FDCWD, path, 0, STATX_MNT_ID, &st), 0);
        return st.stx_mnt_id;
}

static void test_types(void **state)
{
        static const struct {
                const char *type;
                FilesystemKind kind;
                const char *name;
        } cases[] = {
                {"ext4", FILESYSTEM_LOCAL, "ext4"},
                {"btrfs", FILESYSTEM_LOCAL, "btrfs"},
                {"overlay", FILESYSTEM_LOCAL, "overlay"},
                {"proc", FILESYSTEM_KERNEL, "proc"},
                {"fuse", FILESYSTEM_SERVED, "FUSE"},
                {"fuse.sshfs", FILESYSTEM_SERVED, "FUSE"},
                {"fuse.ext4", FILESYSTEM_SERVED, "FUSE"},
                {"fuseblk", FILESYSTEM_SERVED, "FUSE"},
                {"fuseblk.ntfs", FILESYSTEM_SERVED, "FUSE"},
                {"virtiofs", FILESYSTEM_SERVED, "virtiofs"},
                {"nfs4", FILESYSTEM_SERVED, "NFS"},
                {"9p", FILESYSTEM_SERVED, "9p"},
                {"ext44", FILESYSTEM_SERVED, NULL},
                {"ext", FILESYSTEM_SERVED, NULL},
                {"autofs", FILESYSTEM_SERVED, NULL},
                {"", FILESYSTEM_SERVED, NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Filesystem found = filesystem_of_type(cases[i].type, strlen(cases[i].type));

                assert_int_equal(found.kind, cases[i].kind);
                if (cases[i].name)
                        assert_string_equal(found.name, cases[i].name);
                else
                        assert_non_null(strstr(found.name, "does not know as local"));
        }
        assert_int_equal(filesystem_of_type("ext4 /dev/vda", 4).kind, FILESYSTEM_LOCAL);
        assert_int_equal(filesystem_of_magic(0xef53).kind, FILESYSTEM_LOCAL);
        assert_int_equal(filesystem_of_magic(0x65735546).kind, FILESYSTEM_SERVED);
        assert_int_equal(filesystem_of_magic(0).kind, FILESYSTEM_SERVED);
        /* f_type is a signed long: some have the highest bit of 32 */
        assert_int_equal(filesystem_of_magic(0x9123683e).kind, FILESYSTEM_LOCAL);
        assert_int_equal(filesystem_of_magic((uint64_t)(int32_t)0x9123683e).kind, FILESYSTEM_LOCAL);
}

static void test_find(void **state)
{
        _cleanup_(mount_table_freep) MountTable *table = mount_table_new();
        Filesystem found = {};

        assert_int_equal(mount_table_reads(table), 0);
        assert_true(mount_table_find(table, mount_of("/proc"), &found));
        assert_int_equal(found.kind, FILESYSTEM_KERNEL);
        assert_true(mount_table_find(table, mount_of("/tmp"), &found));
        assert_false(mount_table_find(table, 0, &found));
        assert_false(mount_table_find(table, UINT64_MAX, &found));
}

/* A number is another mount's once that which had it is gone: the table follows. */
static void run_changes(void)
{
        char directory[] = "/tmp/cvmd-test-mounts-XXXXXX";
        _cleanup_(mount_table_freep) MountTable *table = NULL;
        Filesystem found;
        unsigned reads;

        assert_non_null(mkdtemp(directory));
        if (!mount_privately("tmpfs", directory, NULL)) {
                rmdir(directory);
                _exit(77);
        }
        table = mount_table_new();
        for (int i = 0; i < 20; i++) {
                assert_true(mount_table_find(table, mount_of(directory), &found));
                assert_int_equal(found.kind, i % 2 ? FILESYSTEM_KERNEL : FILESYSTEM_LOCAL);
                reads = mount_table_reads(table);
                assert_true(mount_table_find(table, mount_of(directory), &found));
                assert_int_equal(mount_table_reads(table), reads);
                assert_int_equal(umount2(directory, 0), 0);
                assert_int_equal(mount("test", directory, i % 2 ? "tmpfs" : "proc", 0, NULL), 0);
        }
        assert_int_equal(umount2(directory, 0), 0);
        rmdir(directory);
        _exit(0);
}

static void test_changes(void **state)
{
        pid_t pid = fork();
        int status;

        if (pid == 0)
                run_changes();
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_types),
                leaks_unit_test(test_find),
                leaks_unit_test(test_changes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
