/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <sched.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <time.h>

#include "base/descriptor.h"
#include "base/errand.h"
#include "base/fork.h"
#include "base/memfd.h"
#include "deaf.h"
#include "leaks.h"
#include "mounts.h"

#ifndef OPEN_TREE_CLONE
#define OPEN_TREE_CLONE 1
#endif

static char directory[] = "/tmp/cvmd-test-descriptor-XXXXXX";

static int setup(void **state)
{
        assert_non_null(mkdtemp(directory));
        return fork_reserve(); /* as the daemon does */
}

static int teardown(void **state)
{
        return rmdir(directory);
}

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* Takes fd. */
static void judges(MountTable *mounts, int fd, DescriptorKind kind, const char *what)
{
        Descriptor judged;

        assert_true(fd >= 0);
        judged = descriptor_judge(fd, mounts);
        close(fd);
        assert_string_equal(judged.what, what);
        assert_int_equal(judged.kind, kind);
}

static void test_nameless(void **state)
{
        _cleanup_(mount_table_freep) MountTable *mounts = mount_table_new();
        const char *object = "an object of the kernel, such as an eventfd";
        int pair[2];

        for (int i = 0; i < 2; i++) {
                MountTable *known = i ? mounts : NULL; /* this does not need it */

                assert_int_equal(pipe2(pair, O_CLOEXEC), 0);
                judges(known, pair[0], DESCRIPTOR_USELESS, "a pipe");
                judges(known, pair[1], DESCRIPTOR_USELESS, "a pipe");
                judges(known, socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), DESCRIPTOR_USELESS,
                       "a socket");
                judges(known, socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0), DESCRIPTOR_USELESS,
                       "a socket");
                judges(known, eventfd(0, EFD_CLOEXEC), DESCRIPTOR_USELESS, object);
                judges(known, epoll_create1(EPOLL_CLOEXEC), DESCRIPTOR_USELESS, object);
        }
}

static void test_memory(void **state)
{
        judges(NULL, memfd_create("x", MFD_CLOEXEC), DESCRIPTOR_USABLE, "a regular file");
        judges(NULL, memfd_new("socket:[1]"), DESCRIPTOR_USABLE, "a regular file");
        judges(NULL, memfd_from_bytes("x", "x", 1), DESCRIPTOR_USABLE, "a regular file");
}

static void test_files(void **state)
{
        _cleanup_(mount_table_freep) MountTable *mounts = mount_table_new();

        judges(mounts, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE,
               "a regular file");
        judges(mounts, open("/proc/self/exe", O_PATH | O_CLOEXEC), DESCRIPTOR_USABLE,
               "a regular file");
        judges(mounts, open("/tmp", O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        judges(mounts, open("/tmp", O_PATH | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        judges(mounts, open("/dev/null", O_RDONLY | O_CLOEXEC), DESCRIPTOR_USELESS,
               "a character device");
        judges(mounts, open("/proc/self/exe", O_PATH | O_NOFOLLOW | O_CLOEXEC), DESCRIPTOR_USELESS,
               "a symbolic link");
        /* that a file of proc or sysfs is not content is not for here to say */
        judges(mounts, open("/proc/self/stat", O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE,
               "a regular file");
        judges(mounts, open("/sys/kernel", O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        judges(NULL, open("/proc/self/exe", O_RDONLY | O_CLOEXEC), DESCRIPTOR_UNKNOWN,
               "a file of an unknown mount");
}

/* One with a name, which its own name in /proc does not tell from a file. */
static void test_fifo(void **state)
{
        _cleanup_(mount_table_freep) MountTable *mounts = mount_table_new();
        char path[64];

        snprintf(path, sizeof(path), "%s/fifo", directory);
        assert_int_equal(mkfifo(path, 0600), 0);
        judges(mounts, open(path, O_RDWR | O_NONBLOCK | O_CLOEXEC), DESCRIPTOR_USELESS, "a FIFO");
        judges(mounts, open(path, O_PATH | O_CLOEXEC), DESCRIPTOR_USELESS, "a FIFO");
        assert_int_equal(unlink(path), 0);
}

static void asks(int fd, DescriptorKind kind, const char *what)
{
        Descriptor judged = {};

        assert_int_equal(descriptor_ask(fd, 4711, &judged), 0);
        assert_string_equal(judged.what, what);
        assert_int_equal(judged.kind, kind);
}

/* Mounts that come after the first question, two on each other, and one in no namespace. In a
 * process of its own, so that no other test is in another namespace. */
static void run_mounts(void)
{
        _cleanup_(mount_table_freep) MountTable *before = mount_table_new(), *mounts = NULL;
        char options[80];
        int fd, tree;

        judges(before, open("/tmp", O_PATH | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        if (!mount_privately("tmpfs", directory, NULL))
                _exit(77);
        mounts = mount_table_new();
        judges(mounts, open(directory, O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        /* another namespace's */
        judges(before, open(directory, O_RDONLY | O_CLOEXEC), DESCRIPTOR_UNKNOWN,
               "a file of an unknown mount");

        assert_int_equal(mount("/proc", directory, NULL, MS_BIND, NULL), 0);
        judges(mounts, open(directory, O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        assert_int_equal(umount2(directory, MNT_DETACH), 0);

        snprintf(options, sizeof(options), "lowerdir=/usr:/etc");
        if (mount("overlay", directory, "overlay", MS_RDONLY, options) == 0) {
                judges(mounts, open(directory, O_RDONLY | O_CLOEXEC), DESCRIPTOR_USABLE,
                       "a directory");
                assert_int_equal(umount2(directory, MNT_DETACH), 0);
        }

        /* detached: of no namespace, but a file system that answers */
        tree = (int)syscall(SYS_open_tree, AT_FDCWD, "/tmp", OPEN_TREE_CLONE | O_CLOEXEC);
        assert_true(tree >= 0);
        fd = openat(tree, ".", O_RDONLY | O_CLOEXEC);
        close(tree);
        assert_true(fd >= 0);
        asks(fd, DESCRIPTOR_USABLE, "a directory");
        judges(mounts, fd, DESCRIPTOR_UNKNOWN, "a file of an unknown mount");
        _exit(0);
}

static void test_mounts(void **state)
{
        pid_t pid = fork();
        int status;

        if (pid == 0)
                run_mounts();
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status) && WEXITSTATUS(status) == 77)
                skip();
        assert_int_equal(status, 0);
}

/* A file whose server answers nothing is judged at once; and asked, it holds up nobody for long,
 * is counted to its user, and has no other child in the end. */
static void test_deaf(void **state)
{
        _cleanup_(mount_table_freep) MountTable *mounts = mount_table_new();
        Descriptor judged;
        int64_t began;
        Deaf deaf;
        int fd;

        judges(mounts, open("/tmp", O_PATH | O_CLOEXEC), DESCRIPTOR_USABLE, "a directory");
        if (!deaf_mount(&deaf))
                skip();
        fd = deaf_open(&deaf);
        asks(fd, DESCRIPTOR_SERVED, "a file system that cvmd does not know as local");
        deaf.deaf = true;
        began = now_msec();
        for (int i = 0; i < 1000; i++) {
                judged = descriptor_judge(fd, mounts);
                assert_int_equal(judged.kind, DESCRIPTOR_SERVED);
                assert_string_equal(judged.what, "FUSE");
        }
        print_message("a judgement: %g ms\n", (double)(now_msec() - began) / 1000);
        assert_true(now_msec() - began < 2000);

        began = now_msec();
        asks(fd, DESCRIPTOR_SERVED, "a file system that does not answer");
        assert_in_range(now_msec() - began, DESCRIPTOR_ASK_MSEC, 3 * DESCRIPTOR_ASK_MSEC);
        assert_int_equal(errand_left(4711), 2); /* the one before hangs in its close */
        deaf_abort(&deaf);
        for (int i = 0; i < 5000 && errand_left(4711); i++)
                usleep(1000);
        assert_int_equal(errand_left(4711), 0);
        close(fd);
        deaf_done(&deaf);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_nameless), leaks_unit_test(test_memory),
                leaks_unit_test(test_files),    leaks_unit_test(test_fifo),
                leaks_unit_test(test_mounts),   leaks_unit_test(test_deaf),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
