/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/tree.h"
#include "directory.h"
#include "leaks.h"

static int open_directory(const char *path)
{
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        return fd;
}

static void put(int dirfd, const char *path, const char *text)
{
        _cleanup_close_ int fd = openat(dirfd, path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
}

static void replace(int dirfd, const char *name, const char *text)
{
        assert_int_equal(file_write_atomic_at(dirfd, name, text, strlen(text), 0600), 0);
}

static void assert_content(int dirfd, const char *name, const char *text)
{
        _cleanup_free_ char *found = NULL;
        size_t size;

        assert_int_equal(file_read_at(dirfd, name, 1 << 20, &found, &size), 0);
        assert_int_equal(size, strlen(text));
        assert_string_equal(found, text);
}

static mode_t mode_of(int dirfd, const char *name)
{
        struct stat st;

        assert_int_equal(fstatat(dirfd, name, &st, AT_SYMLINK_NOFOLLOW), 0);
        return st.st_mode & 07777;
}

static size_t count_entries(const char *path)
{
        DIR *dir = opendir(path);
        size_t n = 0;

        assert_non_null(dir);
        for (struct dirent *entry; (entry = readdir(dir));)
                n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        closedir(dir);
        return n;
}

static void test_read(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);
        _cleanup_free_ char *text = NULL;
        size_t size = 0;

        put(dir, "f", "12345");
        put(dir, "empty", "");
        assert_content(dir, "f", "12345");
        assert_content(dir, "empty", "");
        assert_int_equal(file_read_at(dir, "f", 5, &text, &size), 0);
        assert_int_equal(text[size], 0);
        free(TAKE_PTR(text));
        assert_int_equal(file_read_at(dir, "f", 4, &text, &size), -EFBIG);
        assert_int_equal(file_read_at(dir, "none", 4, &text, &size), -ENOENT);
        assert_int_equal(file_read_at(dir, ".", 4, &text, &size), -EISDIR);
        assert_null(text);
}

static void test_write(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);
        mode_t mask = umask(0077);

        assert_int_equal(file_write_atomic_at(dir, "f", "one", 3, 0644), 0);
        umask(mask);
        assert_int_equal(mode_of(dir, "f"), 0644); /* whatever the umask is */
        replace(dir, "f", "another");
        assert_content(dir, "f", "another");
        assert_int_equal(mode_of(dir, "f"), 0600);

        /* what an interrupted write left behind is in nobody's way */
        assert_int_equal(symlinkat("f", dir, ".f.new"), 0);
        replace(dir, "f", "third");
        assert_content(dir, "f", "third");
        assert_int_equal(count_entries(path), 1);
}

static void test_write_fails(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);

        assert_int_equal(mkdirat(dir, "d", 0700), 0);
        assert_int_equal(mkdirat(dir, "d/sub", 0700), 0);
        assert_int_equal(file_write_atomic_at(dir, "d", "x", 1, 0600), -EISDIR);
        assert_int_equal(count_entries(path), 1);
        assert_int_equal(file_write_atomic_at(dir, "none/f", "x", 1, 0600), -ENOENT);
}

/* A mount namespace of this program's own; skips the case where that is not allowed. */
static void enter_namespace(void)
{
        static bool entered;

        if (!entered &&
            (unshare(CLONE_NEWNS) < 0 || mount("", "/", "", MS_REC | MS_PRIVATE, NULL) < 0)) {
                print_message("no mount namespace: %s\n", strerror(errno));
                skip();
        }
        entered = true;
}

static char *make_mount(const char *parent, const char *name, const char *options)
{
        char *path = NULL;

        assert_true(asprintf(&path, "%s/%s", parent, name) > 0);
        assert_int_equal(mkdir(path, 0700), 0);
        assert_int_equal(mount("tmpfs", path, "tmpfs", 0, options), 0);
        return path;
}

static void unmount(char **path)
{
        assert_int_equal(umount2(*path, MNT_DETACH), 0);
        free(*path);
}

/* A full file system: the old file stays as it was and no temporary one is left. */
static void test_no_space(void **state)
{
        enter_namespace();
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_(unmount) char *small = make_mount(path, "small", "size=64k");
        _cleanup_close_ int dir = open_directory(small);
        _cleanup_free_ char *big = calloc(1, 256 << 10);

        put(dir, "record", "old");
        assert_int_equal(file_write_atomic_at(dir, "record", big, 256 << 10, 0600), -ENOSPC);
        assert_content(dir, "record", "old");
        assert_int_equal(count_entries(small), 1);
        replace(dir, "record", "new"); /* and the room is free again */
}

static void test_private(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path), fd = -1, again = -1;
        _cleanup_free_ char *deep = NULL;
        mode_t mask = umask(022);

        assert_true(asprintf(&deep, "%s/a/b/c", path) > 0);
        fd = dir_open_private(deep, 0700);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(mode_of(dir, "a/b/c"), 0700);
        assert_int_equal(mode_of(dir, "a"), 0755);
        umask(mask);

        /* one that is there is taken, with the mode that is asked for */
        assert_int_equal(fchmod(fd, 0755), 0);
        again = dir_open_private(deep, 0700);
        assert_true(again >= 0);
        assert_int_equal(mode_of(dir, "a/b/c"), 0700);
}

/* Each of these another user could have put there or could write in. */
static void test_private_refuses(void **state)
{
        static const struct {
                const char *name;
                int r;
        } cases[] = {
                {"group", -EPERM},    {"others", -EPERM}, {"link", -ENOTDIR},   {"link/", -ENOTDIR},
                {"link//", -ENOTDIR}, {"file", -ENOTDIR}, {"file/d", -ENOTDIR},
        };
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);

        assert_int_equal(mkdirat(dir, "target", 0700), 0);
        assert_int_equal(symlinkat("target", dir, "link"), 0);
        put(dir, "file", "");
        assert_int_equal(mkdirat(dir, "group", 0700), 0);
        assert_int_equal(fchmodat(dir, "group", 0770, 0), 0);
        assert_int_equal(mkdirat(dir, "others", 0700), 0);
        assert_int_equal(fchmodat(dir, "others", 01777, 0), 0);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *full = NULL;

                assert_true(asprintf(&full, "%s/%s", path, cases[i].name) > 0);
                if (dir_open_private(full, 0700) != cases[i].r)
                        fail_msg("%s was not refused as it should be", cases[i].name);
        }
        assert_int_equal(mode_of(dir, "others"), 01777); /* left alone */
}

static void test_private_foreign(void **state)
{
        if (geteuid() != 0) {
                print_message("only root can make another user's directory\n");
                skip();
        }
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);
        _cleanup_free_ char *full = NULL;

        assert_int_equal(mkdirat(dir, "d", 0700), 0);
        assert_int_equal(fchownat(dir, "d", 65534, 65534, 0), 0);
        assert_true(asprintf(&full, "%s/d", path) > 0);
        assert_int_equal(dir_open_private(full, 0700), -EPERM);
}

static void test_remove(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);

        assert_int_equal(mkdirat(dir, "outside", 0700), 0);
        put(dir, "outside/kept", "kept");
        assert_int_equal(mkdirat(dir, "t", 0700), 0);
        assert_int_equal(mkdirat(dir, "t/d", 0500), 0);
        assert_int_equal(mkdirat(dir, "t/d2", 0700), 0);
        assert_int_equal(mkdirat(dir, "t/d2/d3", 0700), 0);
        put(dir, "t/d2/d3/f", "x");
        put(dir, "t/f", "x");
        assert_int_equal(symlinkat("../outside", dir, "t/link"), 0);
        assert_int_equal(symlinkat("../../outside/kept", dir, "t/d2/link"), 0);
        assert_int_equal(mkfifoat(dir, "t/fifo", 0600), 0);
        assert_int_equal(symlinkat("outside", dir, "link"), 0);

        assert_int_equal(tree_remove_at(dir, "t"), 0);
        assert_int_equal(tree_remove_at(dir, "link"), 0);
        assert_int_equal(tree_remove_at(dir, "none"), 0);
        assert_content(dir, "outside/kept", "kept");
        assert_int_equal(count_entries(path), 1);
        assert_int_equal(tree_remove_at(dir, "outside/kept"), 0);
        assert_int_equal(count_entries(path), 1);
}

static int make_deep(int dirfd, const char *name, unsigned levels)
{
        int fd = dup(dirfd);

        for (unsigned i = 0; i < levels; i++) {
                int below;

                assert_int_equal(mkdirat(fd, name, 0700), 0);
                below = openat(fd, name, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                assert_true(below >= 0);
                close(fd);
                fd = below;
                put(fd, "f", "x");
        }
        return fd;
}

/* Deeper than there are descriptors, with the names in the way that the remover would take. */
static void test_remove_deep(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);
        struct rlimit before;

        close(make_deep(dir, "t", 1));
        put(dir, "t/.deep-0", "x");
        assert_int_equal(mkdirat(dir, "t/.deep-1", 0700), 0);
        put(dir, "t/.deep-1/f", "x");
        close(make_deep(dir, "t/u", 1));
        {
                _cleanup_close_ int below = openat(dir, "t/u", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

                close(make_deep(below, "d", 3000));
                close(make_deep(below, "e", 300));
        }
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, before.rlim_max}), 0);
        assert_int_equal(tree_remove_at(dir, "t"), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(count_entries(path), 0);
}

/* What is mounted below, another file system or a part of this one, is not entered. */
static void test_remove_mounts(void **state)
{
        enter_namespace();
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dir = open_directory(path);
        _cleanup_free_ char *tree = NULL, *source = NULL, *bound = NULL;

        assert_int_equal(mkdirat(dir, "source", 0700), 0);
        put(dir, "source/kept", "kept");
        assert_int_equal(mkdirat(dir, "t", 0700), 0);
        assert_int_equal(mkdirat(dir, "t/bound", 0700), 0);
        assert_true(asprintf(&tree, "%s/t", path) > 0);
        assert_true(asprintf(&source, "%s/source", path) > 0);
        assert_true(asprintf(&bound, "%s/t/bound", path) > 0);
        {
                _cleanup_(unmount) char *other = make_mount(tree, "other", NULL);
                _cleanup_close_ int fd = open_directory(other);

                put(fd, "kept", "kept");
                put(dir, "t/f", "x");
                assert_int_equal(mount(source, bound, "", MS_BIND, NULL), 0);
                assert_int_equal(tree_remove_at(dir, "t"), -EXDEV);
                assert_int_equal(umount2(bound, MNT_DETACH), 0);
                assert_content(fd, "kept", "kept");
                assert_content(dir, "source/kept", "kept");
                assert_int_equal(faccessat(dir, "t/f", F_OK, 0), -1); /* the rest is gone */
                assert_int_equal(tree_remove_at(dir, "t/other"), -EXDEV);
        }
        assert_int_equal(tree_remove_at(dir, "t"), 0);
}

static void test_path(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_close_ int fd = open_directory(directory);
        _cleanup_free_ char *file = file_path_at(fd, "a"), *own = file_path_at(fd, NULL);
        _cleanup_free_ char *none = file_path_at(-1, "a"), *real = realpath(directory, NULL);

        assert_string_equal(own, real);
        assert_int_equal(strncmp(file, real, strlen(real)), 0);
        assert_string_equal(file + strlen(real), "/a");
        assert_string_equal(none, "a");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_path),
                leaks_unit_test(test_read),
                leaks_unit_test(test_write),
                leaks_unit_test(test_write_fails),
                leaks_unit_test(test_no_space),
                leaks_unit_test(test_private),
                leaks_unit_test(test_private_refuses),
                leaks_unit_test(test_private_foreign),
                leaks_unit_test(test_remove),
                leaks_unit_test(test_remove_deep),
                leaks_unit_test(test_remove_mounts),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
