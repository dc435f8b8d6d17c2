/* SPDX-License-Identifier: Apache-2.0 */
/* Every attempt is made in two children: one with the filter, and one without it, where it must
 * succeed, so that a refusal is the filter's. */
#include "test.h"

#include <fcntl.h>
#include <linux/io_uring.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/tree.h"
#include "leaks.h"
#include "local/file_filter.h"

#ifndef __NR_fchmodat2
#define __NR_fchmodat2 452
#endif

static char directory[] = "/tmp/cvmd-test-filter-XXXXXX";

/* In a child: in an empty directory of its own, but for the file "file" of mode 0644. */
typedef long (*Attempt)(unsigned mode);

static long result(long r)
{
        return r < 0 ? -errno : 0;
}

static long try_chmod(unsigned mode)
{
        return result(syscall(SYS_chmod, "file", mode));
}

static long try_fchmod(unsigned mode)
{
        return result(syscall(SYS_fchmod, open("file", O_RDWR), mode));
}

static long try_fchmodat(unsigned mode)
{
        return result(syscall(SYS_fchmodat, AT_FDCWD, "file", mode));
}

static long try_fchmodat2(unsigned mode)
{
        long r = result(syscall(__NR_fchmodat2, AT_FDCWD, "file", mode, AT_SYMLINK_NOFOLLOW));

        return r == -ENOSYS ? result(fchmod(open("file", O_RDWR), mode)) : r; /* before 6.6 */
}

static long try_creat(unsigned mode)
{
        return result(syscall(SYS_creat, "new", mode));
}

static long try_open(unsigned mode)
{
        return result(syscall(SYS_open, "new", O_WRONLY | O_CREAT | O_EXCL, mode));
}

static long try_openat(unsigned mode)
{
        return result(syscall(SYS_openat, AT_FDCWD, "new", O_RDWR | O_CREAT, mode));
}

/* A file that gets its name afterwards. */
static long try_unnamed(unsigned mode)
{
        return result(syscall(SYS_openat, AT_FDCWD, ".", O_WRONLY | O_TMPFILE, mode));
}

static long try_unnamed_open(unsigned mode)
{
        return result(syscall(SYS_open, ".", O_RDWR | O_TMPFILE, mode));
}

static long try_mkdir(unsigned mode)
{
        return result(syscall(SYS_mkdir, "new", mode));
}

static long try_mkdirat(unsigned mode)
{
        return result(syscall(SYS_mkdirat, AT_FDCWD, "new", mode));
}

static long try_mknod(unsigned mode)
{
        return result(syscall(SYS_mknod, "new", mode, makedev(1, 3)));
}

static long try_mknodat(unsigned mode)
{
        return result(syscall(SYS_mknodat, AT_FDCWD, "new", mode, makedev(1, 3)));
}

/* What overlayfs calls a whiteout needs no privilege since Linux 5.8. */
static long try_whiteout(unsigned mode)
{
        return result(syscall(SYS_mknod, "new", mode, makedev(0, 0)));
}

/* Files that exist: the mode counts for nothing, and may be anything. */
static long try_plain_open(unsigned mode)
{
        return result(syscall(SYS_openat, AT_FDCWD, "file", O_RDONLY, mode));
}

static long try_openat2(unsigned mode)
{
        struct open_how how = {.flags = O_CREAT | O_WRONLY, .mode = mode};

        return result(syscall(SYS_openat2, AT_FDCWD, "new", &how, sizeof(how)));
}

/* io_uring's own refusal by the host's sysctl is no refusal of the filter's. */
static long try_io_uring(unsigned mode)
{
        struct io_uring_params parameters = {};
        long r = result(syscall(SYS_io_uring_setup, 1, &parameters));

        return r == -EPERM ? 0 : r;
}

/* Of a new process. */
static long try_unshare(unsigned flags)
{
        return result(syscall(SYS_unshare, flags));
}

static long end(long pid)
{
        if (pid == 0)
                _exit(0);
        return pid < 0 ? -errno : waitpid((pid_t)pid, NULL, 0) == pid ? 0 : -ECHILD;
}

static long try_clone(unsigned flags)
{
        return end(syscall(SYS_clone, flags | SIGCHLD, NULL, NULL, NULL, 0));
}

static long try_clone3(unsigned flags)
{
        struct clone_args arguments = {.flags = flags, .exit_signal = SIGCHLD};

        return end(syscall(SYS_clone3, &arguments, sizeof(arguments)));
}

/* Runs it in a child. Returns what it returned. */
static long attempt(Attempt function, unsigned mode, const FileFilter *filter)
{
        long *shared =
                mmap(NULL, sizeof(long), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
        int status;
        long r;

        assert_ptr_not_equal(shared, MAP_FAILED);
        assert_non_null(mkdtemp(strcpy(directory, "/tmp/cvmd-test-filter-XXXXXX")));
        if (fork() == 0) {
                umask(0);
                if (chdir(directory) < 0 || creat("file", 0644) < 0 ||
                    prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
                        _exit(1);
                if (filter && file_filter_load(filter) < 0)
                        _exit(2);
                *shared = function(mode);
                _exit(0);
        }
        assert_true(wait(&status) > 0);
        assert_int_equal(status, 0);
        assert_int_equal(tree_remove_at(AT_FDCWD, directory), 0);
        r = *shared;
        munmap(shared, sizeof(long));
        return r;
}

/* expected: with the filter. */
static void check(const char *name, Attempt function, unsigned mode, long expected)
{
        _cleanup_(file_filter_done) FileFilter filter = {};
        long with, without;

        assert_int_equal(file_filter_init(&filter), 0);
        without = attempt(function, mode, NULL);
        with = attempt(function, mode, &filter);
        if (without != 0 || with != expected)
                fail_msg("%s %o: %ld without the filter, %ld with it, expected %ld", name, mode,
                         without, with, expected);
}

#define CHECK(function, mode, expected) check(#function, function, mode, expected)

static void test_set_id_bits(void **state)
{
        static const struct {
                const char *name;
                Attempt function;
        } attempts[] = {
                {"chmod", try_chmod},
                {"fchmod", try_fchmod},
                {"fchmodat", try_fchmodat},
                {"fchmodat2", try_fchmodat2},
                {"creat", try_creat},
                {"open", try_open},
                {"openat", try_openat},
                {"O_TMPFILE", try_unnamed},
                {"open O_TMPFILE", try_unnamed_open},
                {"mkdir", try_mkdir},
                {"mkdirat", try_mkdirat},
                {"mknod", try_mknod},
                {"mknodat", try_mknodat},
        };

        for (size_t i = 0; i < ARRAY_SIZE(attempts); i++) {
                check(attempts[i].name, attempts[i].function, 04755, -EPERM);
                check(attempts[i].name, attempts[i].function, 02755, -EPERM);
                check(attempts[i].name, attempts[i].function, 06000, -EPERM);
                check(attempts[i].name, attempts[i].function, 01777, 0);
                check(attempts[i].name, attempts[i].function, 0755, 0);
                check(attempts[i].name, attempts[i].function, 0, 0);
        }
        CHECK(try_plain_open, 07777, 0);
        CHECK(try_mknod, S_IFREG | 04755, -EPERM);
        CHECK(try_mknodat, S_IFIFO | 02755, -EPERM);
}

static void test_device_nodes(void **state)
{
        CHECK(try_mknod, S_IFREG | 0644, 0);
        CHECK(try_mknod, S_IFIFO | 0644, 0);
        CHECK(try_mknodat, S_IFSOCK | 0644, 0);
        CHECK(try_whiteout, S_IFCHR, -EPERM);
        if (geteuid() != 0) {
                print_message("needs root: makes device nodes\n");
                skip();
        }
        CHECK(try_mknod, S_IFCHR | 0644, -EPERM);
        CHECK(try_mknod, S_IFBLK | 0644, -EPERM);
        CHECK(try_mknodat, S_IFCHR, -EPERM);
        CHECK(try_mknodat, S_IFBLK | 0600, -EPERM);
}

/* What a filter cannot look into looks as if this kernel had none of it. */
static void test_ways_round_the_filter(void **state)
{
        CHECK(try_openat2, 0644, -ENOSYS);
        CHECK(try_io_uring, 0, -ENOSYS);
}

/* Who is root of a user namespace may give file capabilities, which root's own files keep outside
 * of it. */
static void test_user_namespaces(void **state)
{
        CHECK(try_unshare, CLONE_FS, 0);
        CHECK(try_clone, 0, 0);
        CHECK(try_clone3, 0, -ENOSYS);
        if (attempt(try_unshare, CLONE_NEWUSER, NULL) < 0) {
                print_message("this host lets nobody make a user namespace\n");
                skip();
        }
        CHECK(try_unshare, CLONE_NEWUSER, -EPERM);
        CHECK(try_unshare, CLONE_NEWUSER | CLONE_NEWNS, -EPERM);
        CHECK(try_clone, CLONE_NEWUSER, -EPERM);
        CHECK(try_clone3, CLONE_NEWUSER, -ENOSYS);
}

#ifdef __x86_64__
/* chmod of i386's; its pointer needs an address of 32 bits. */
static long try_i386(unsigned mode)
{
        char *low = mmap(NULL, 4096, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        long r;

        if (low == MAP_FAILED)
                return -ENOMEM;
        strcpy(low, "file");
        __asm__ volatile("int $0x80"
                         : "=a"(r)
                         : "a"(15), "b"(low), "c"(mode)
                         : "memory", "r8", "r9", "r10", "r11");
        return r;
}

/* Of x32: few kernels have it. */
static long try_x32(unsigned mode)
{
        return result(syscall(0x40000000 + SYS_chmod, "file", mode));
}

static bool has_i386(void)
{
        int status;

        if (fork() == 0) {
                long r;

                signal(SIGSEGV, SIG_DFL); /* cmocka's own go on with the tests */
                signal(SIGILL, SIG_DFL);
                __asm__ volatile("int $0x80" : "=a"(r) : "a"(20) /* getpid */ : "memory");
                _exit(r == getpid() ? 0 : 1);
        }
        return wait(&status) > 0 && status == 0;
}

static void test_x32(void **state)
{
        _cleanup_(file_filter_done) FileFilter filter = {};

        assert_int_equal(file_filter_init(&filter), 0);
        assert_int_equal(attempt(try_x32, 0755, &filter), -ENOSYS);
}

/* A case of its own, since without x32 the kernel says ENOSYS, too, and nothing is tested. */
static int run_x32(void)
{
        const struct CMUnitTest tests[] = {leaks_unit_test(test_x32)};

        if (syscall(0x40000000 + SYS_getpid) != getpid()) {
                puts("1..0 # SKIP this kernel has no x32");
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}

static void test_i386(void **state)
{
        if (!has_i386()) {
                print_message("this kernel runs no programs of i386\n");
                skip();
        }
        CHECK(try_i386, 0755, -ENOSYS);
        CHECK(try_i386, 04755, -ENOSYS);
}
#endif

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_set_id_bits),
                leaks_unit_test(test_device_nodes),
                leaks_unit_test(test_ways_round_the_filter),
                leaks_unit_test(test_user_namespaces),
#ifdef __x86_64__
                leaks_unit_test(test_i386),
#endif
        };

#ifdef __x86_64__
        if (argc == 2 && strcmp(argv[1], "x32") == 0)
                return run_x32();
#endif
        return cmocka_run_group_tests(tests, NULL, NULL);
}
