/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/tree.h"
#include "leaks.h"
#include "mounts.h"
#include "vm/shares.h"

#define GUEST 4242 /* QEMU's uid and gid, where the test is root */

static char directory[] = "/tmp/cvmd-test-shares-XXXXXX";
static int parent = -1;
static CvmSpec *spec;

static const SharesCert certs[] = {
        {"key.pem", "private key", 11},
        {"extra.der", "\0\1\2", 3},
};

static int setup(void **state)
{
        static const char text[] =
                "{\"name\":\"t\",\"env\":{\"A\":\"x y,z=\\\"q\\\"\",\"B\":\"$b\"}}";
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *object = NULL;

        assert_non_null(mkdtemp(directory));
        parent = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(parent >= 0);
        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        return spec_parse(object, &spec, &error);
}

static int teardown(void **state)
{
        spec_free(spec);
        close(parent);
        umount2(directory, MNT_DETACH); /* of a case that failed */
        return tree_remove_at(AT_FDCWD, directory);
}

static uid_t guest(void)
{
        return geteuid() == 0 ? GUEST : geteuid();
}

static gid_t guest_group(void)
{
        return geteuid() == 0 ? GUEST : getegid();
}

static int create(int dir, Shares *ret, CvmError *error)
{
        return shares_create(dir, "id", guest(), guest_group(), spec, certs, ARRAY_SIZE(certs), ret,
                             error);
}

static void create_ok(Shares *ret)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(create(parent, ret, &error), 0);
}

static void shares_done(Shares *shares)
{
        close(shares->env_fd);
        close(shares->certs_fd);
}

static bool exists(int dir, const char *path)
{
        struct stat st;

        return fstatat(dir, path, &st, AT_SYMLINK_NOFOLLOW) == 0;
}

static void assert_file(int dir, const char *name, const char *data, size_t size)
{
        _cleanup_free_ char *text = NULL;
        size_t length;
        struct stat st;

        assert_int_equal(file_read_at(dir, name, 1 << 20, &text, &length), 0);
        assert_int_equal(length, size);
        assert_memory_equal(text, data, size);
        assert_int_equal(fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        assert_int_equal(st.st_mode, S_IFREG | 0400);
        assert_int_equal(st.st_uid, guest());
        assert_int_equal(st.st_gid, guest_group());
}

static void assert_directory(int fd)
{
        struct stat st;

        assert_int_equal(fstat(fd, &st), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
        assert_int_equal(st.st_uid, guest());
        assert_true(fcntl(fd, F_GETFL) & O_PATH);
        assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
}

static void test_create(void **state)
{
        static const char env[] = "A=\"x y,z=\\\"q\\\"\"\nB=\"\\$b\"\n";
        mode_t mask = umask(0);
        struct stat st;
        Shares shares;

        create_ok(&shares);
        umask(mask);
        assert_directory(shares.env_fd);
        assert_directory(shares.certs_fd);
        assert_file(shares.env_fd, "environment", env, strlen(env));
        assert_file(shares.certs_fd, "key.pem", "private key", 11);
        assert_file(shares.certs_fd, "extra.der", "\0\1\2", 3);
        assert_file(shares.certs_fd, "cert.pem", "", 0);
        assert_file(shares.certs_fd, "ca.pem", "", 0);
        assert_int_equal(fstatat(parent, "id", &st, 0), 0);
        assert_int_equal(st.st_mode, S_IFDIR | 0700);
        assert_int_equal(st.st_uid, geteuid());
        shares_done(&shares);
        assert_int_equal(shares_wipe(parent, "id"), 0);
        assert_false(exists(parent, "id"));
}

/* Modes are what they must be whatever the daemon's mask is. Without root one that takes reading
 * away would keep the directory from being opened. */
static void test_umask(void **state)
{
        mode_t mask = umask(geteuid() == 0 ? 0777 : 0277);
        Shares shares;

        create_ok(&shares);
        umask(mask);
        assert_directory(shares.env_fd);
        assert_file(shares.certs_fd, "key.pem", "private key", 11);
        shares_done(&shares);
        assert_int_equal(shares_wipe(parent, "id"), 0);
}

/* Whoever still has a file open sees zeros. */
static void test_wipe(void **state)
{
        _cleanup_close_ int env = -1, key = -1;
        char text[64], zeros[64] = {};
        Shares shares;
        ssize_t n;

        create_ok(&shares);
        env = openat(shares.env_fd, "environment", O_RDONLY | O_CLOEXEC);
        key = openat(shares.certs_fd, "key.pem", O_RDONLY | O_CLOEXEC);
        assert_int_equal(shares_wipe(parent, "id"), 0);
        assert_false(exists(parent, "id"));
        n = pread(env, text, sizeof(text), 0);
        assert_true(n > 10);
        assert_memory_equal(text, zeros, (size_t)n);
        assert_int_equal(pread(key, text, sizeof(text), 0), 11);
        assert_memory_equal(text, zeros, 11);
        shares_done(&shares);
        assert_int_equal(shares_wipe(parent, "id"), 0); /* absent */
}

static void put(int dir, const char *path, const char *text)
{
        _cleanup_close_ int fd = openat(dir, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

/* What a daemon that died in between left: its own directories with files already given away. */
static void test_wipe_half(void **state)
{
        _cleanup_close_ int fd = -1;
        char text[8] = {};

        assert_int_equal(mkdirat(parent, "id", 0700), 0);
        assert_int_equal(mkdirat(parent, "id/certs", 0700), 0);
        put(parent, "id/certs/key.pem", "secret");
        assert_int_equal(fchownat(parent, "id/certs/key.pem", guest(), guest_group(), 0), 0);
        fd = openat(parent, "id/certs/key.pem", O_RDONLY | O_CLOEXEC);
        assert_int_equal(shares_wipe(parent, "id"), 0);
        assert_false(exists(parent, "id"));
        assert_int_equal(pread(fd, text, 6, 0), 6);
        assert_memory_equal(text, "\0\0\0\0\0\0", 6);

        put(parent, "id", "no directory");
        assert_int_equal(shares_wipe(parent, "id"), 0);
        assert_false(exists(parent, "id"));
}

/* A hostile QEMU owns the directories: what it plants there leads the daemon nowhere. */
static void test_wipe_planted(void **state)
{
        Shares shares;

        put(parent, "victim", "precious");
        create_ok(&shares);
        assert_int_equal(symlinkat("../../victim", shares.certs_fd, "symlink"), 0);
        assert_int_equal(symlinkat("../..", shares.certs_fd, "up"), 0);
        assert_int_equal(mkfifoat(shares.certs_fd, "fifo", 0600), 0);
        assert_int_equal(mkdirat(shares.certs_fd, "deep", 0700), 0);
        put(shares.certs_fd, "deep/file", "text");
        if (geteuid() == 0) /* a hard link to another's file, as with fs.protected_hardlinks off */
                assert_int_equal(linkat(parent, "victim", shares.certs_fd, "link", 0), 0);
        /* a huge file that is a hole: no memory, no time */
        put(shares.env_fd, "hole", "x");
        _cleanup_close_ int hole = openat(shares.env_fd, "hole", O_RDWR | O_CLOEXEC);
        assert_int_equal(fchown(hole, guest(), guest_group()), 0);
        assert_int_equal(ftruncate(hole, INT64_C(1) << 40), 0);
        shares_done(&shares);

        assert_int_equal(shares_wipe(parent, "id"), 0);
        assert_false(exists(parent, "id"));
        _cleanup_free_ char *text = NULL;
        assert_int_equal(file_read_at(parent, "victim", 100, &text, NULL), 0);
        assert_string_equal(text, "precious");
        assert_int_equal(unlinkat(parent, "victim", 0), 0);
}

/* Deeper than is looked into: told, and removed none the less. */
static void test_wipe_deep(void **state)
{
        _cleanup_close_ int at = -1;
        Shares shares;

        create_ok(&shares);
        for (int i = 0, next; i < 20; i++) {
                assert_int_equal(mkdirat(at < 0 ? shares.env_fd : at, "d", 0700), 0);
                next = openat(at < 0 ? shares.env_fd : at, "d", O_PATH | O_CLOEXEC);
                assert_true(next >= 0);
                closep(&at);
                at = next;
        }
        shares_done(&shares);
        assert_int_equal(shares_wipe(parent, "id"), -ELOOP);
        assert_false(exists(parent, "id"));
}

static void test_refuse(void **state)
{
        static const SharesCert outside[] = {{"../outside", "x", 1}};
        static const SharesCert twice[] = {{"a", "x", 1}, {"a", "y", 1}};
        _cleanup_(cvm_error_done) CvmError error = {};
        Shares shares;

        assert_int_equal(shares_create(parent, "id", guest(), guest_group(), spec, outside, 1,
                                       &shares, &error),
                         -EINVAL);
        assert_int_equal(error.id, CVM_ERROR_SYSTEM);
        assert_false(exists(parent, "id"));
        cvm_error_done(&error);
        assert_int_equal(shares_create(parent, "id", guest(), guest_group(), spec, twice, 2,
                                       &shares, &error),
                         -EEXIST);
        assert_false(exists(parent, "id"));
        cvm_error_done(&error);

        /* one that is there already is somebody's */
        create_ok(&shares);
        assert_int_equal(create(parent, &(Shares){}, &error), -EEXIST);
        assert_file(shares.certs_fd, "key.pem", "private key", 11);
        shares_done(&shares);
        assert_int_equal(shares_wipe(parent, "id"), 0);
}

/* Each step fails once for want of an inode, and one for want of a page. */
static void test_full(void **state)
{
        static char large[1 << 20];
        static const SharesCert too_large[] = {{"a.pem", large, sizeof(large)}};
        _cleanup_(cvm_error_done) CvmError error = {};
        char options[64];
        int failures = 0, r = -1;
        Shares shares;

        if (!mount_privately("tmpfs", directory, "size=64k,mode=0700")) {
                print_message("needs root: mounts a tiny file system\n");
                skip();
        }
        for (int inodes = 1; r != 0; inodes++) {
                _cleanup_close_ int dir = -1;

                snprintf(options, sizeof(options), "size=64k,nr_inodes=%d", inodes);
                assert_int_equal(mount("test", directory, "tmpfs", MS_REMOUNT, options), 0);
                dir = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                r = create(dir, &shares, &error);
                assert_int_equal(exists(dir, "id"), r == 0);
                assert_true(r == 0 || (r == -ENOSPC && error.id == CVM_ERROR_SYSTEM));
                cvm_error_done(&error);
                failures += r != 0;
                if (r != 0)
                        continue;
                shares_done(&shares);
                assert_int_equal(shares_wipe(dir, "id"), 0);
                assert_int_equal(shares_create(dir, "id", guest(), guest_group(), spec, too_large,
                                               1, &shares, &error),
                                 -ENOSPC);
                assert_false(exists(dir, "id"));
        }
        assert_int_equal(failures, 8); /* three directories and five files, and the root's own */
        assert_int_equal(umount2(directory, MNT_DETACH), 0);
}

/* An overlay at `all` below the test's directory, whose layers are on two file systems. */
static bool mount_overlay(int *ret_dir)
{
        _cleanup_close_ int top = -1;
        char other[64], all[64], options[256];

        if (!mount_privately("tmpfs", directory, "mode=0700"))
                return false;
        top = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(mkdirat(top, (const char *[]){"lower", "all", "other"}[i], 0700),
                                 0);
        snprintf(other, sizeof(other), "%s/other", directory);
        assert_int_equal(mount("test", other, "tmpfs", 0, ""), 0);
        assert_int_equal(mkdirat(top, "other/upper", 0700), 0);
        assert_int_equal(mkdirat(top, "other/work", 0700), 0);
        snprintf(all, sizeof(all), "%s/all", directory);
        snprintf(options, sizeof(options), "lowerdir=%s/lower,upperdir=%s/upper,workdir=%s/work",
                 directory, other, other);
        if (mount("test", all, "overlay", 0, options) < 0)
                return false;
        *ret_dir = open(all, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return true;
}

/* There a file has another device number than its directory, as in a container. */
static void test_wipe_on_overlay(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        struct stat of_directory, of_key;
        char text[12], zeros[11] = {};
        int dir, key;
        Shares shares;

        if (!mount_overlay(&dir)) {
                print_message("mounts an overlay: %s\n", strerror(errno));
                umount2(directory, MNT_DETACH);
                skip();
        }
        assert_int_equal(create(dir, &shares, &error), 0);
        key = openat(shares.certs_fd, "key.pem", O_RDONLY | O_CLOEXEC);
        assert_int_equal(fstat(shares.certs_fd, &of_directory), 0);
        assert_int_equal(fstat(key, &of_key), 0);
        assert_int_not_equal(of_directory.st_dev, of_key.st_dev);
        assert_int_equal(shares_wipe(dir, "id"), 0);
        assert_false(exists(dir, "id"));
        assert_int_equal(pread(key, text, sizeof(text), 0), 11);
        assert_memory_equal(text, zeros, 11);
        shares_done(&shares);
        close(key);
        close(dir);
        assert_int_equal(umount2(directory, MNT_DETACH), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_create),
                leaks_unit_test(test_umask),
                leaks_unit_test(test_wipe),
                leaks_unit_test(test_wipe_half),
                leaks_unit_test(test_wipe_planted),
                leaks_unit_test(test_wipe_deep),
                leaks_unit_test(test_refuse),
                leaks_unit_test(test_full),
                leaks_unit_test(test_wipe_on_overlay),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
