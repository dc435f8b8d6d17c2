/* SPDX-License-Identifier: Apache-2.0 */
/* The program that the child becomes is a shell, which says of itself what it sees. */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/process.h"
#include "base/text.h"
#include "driver/child.h"
#include "leaks.h"

#define GUEST 4242 /* uid and gid, where the test is root */

typedef struct Run {
        Child child;
        int output; /* our end of its output */
} Run;

/* A child that will run the script; spawn's argv and output are filled in. */
static Run begin(ChildSpawn *spawn, const char *script)
{
        char *const argv[] = {(char *)"/bin/sh", (char *)"-c", (char *)script, NULL};
        Run run;
        int fds[2];

        signal(SIGPIPE, SIG_IGN);
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        spawn->argv = argv;
        spawn->output_fd = fds[1];
        assert_int_equal(child_spawn(spawn, &run.child), 0);
        close(fds[1]);
        run.output = fds[0];
        return run;
}

/* All of its output, which the caller frees; *ret_status: the wait status. */
static char *finish(Run *run, int *ret_status)
{
        char *output;

        assert_int_equal(fd_read_all(run->output, 65536, &output, NULL), 0);
        assert_int_equal(waitpid(run->child.pid, ret_status, 0), run->child.pid);
        close(run->output);
        close(run->child.pidfd);
        if (run->child.go_fd >= 0)
                close(run->child.go_fd);
        return output;
}

/* What the script prints. */
static char *run_script(ChildSpawn *spawn, const char *script)
{
        Run run = begin(spawn, script);
        char *output;
        int status;

        assert_int_equal(child_go(&run.child), 0);
        output = finish(&run, &status);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                fail_msg("status %x: %s", status, output);
        return output;
}

static void check(ChildSpawn *spawn, const char *script, const char *expected)
{
        _cleanup_free_ char *output = run_script(spawn, script);

        assert_string_equal(output, expected);
}

static void test_held_until_go(void **state)
{
        _cleanup_free_ char *output = NULL;
        Run run = begin(&(ChildSpawn){}, "echo out; echo err >&2; exit 7");
        uint64_t before, after;
        int status;

        assert_int_equal(process_start_time(run.child.pid, &before), 0);
        nanosleep(&(struct timespec){.tv_nsec = 100 * 1000 * 1000}, NULL);
        assert_int_equal(waitpid(run.child.pid, NULL, WNOHANG), 0);
        assert_int_equal(child_go(&run.child), 0);
        assert_int_equal(run.child.go_fd, -1);
        assert_int_equal(process_start_time(run.child.pid, &after), 0);
        assert_int_equal(before, after); /* a record made before stays true */
        output = finish(&run, &status);
        assert_string_equal(output, "out\nerr\n");
        assert_int_equal(WEXITSTATUS(status), 7);
}

/* As when the daemon has died; another held child does not keep the pipe open. */
static void test_end_of_file_means_exit(void **state)
{
        Run first = begin(&(ChildSpawn){}, "echo ran"), second = begin(&(ChildSpawn){}, "echo ran");
        Run *all[] = {&first, &second};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                _cleanup_free_ char *output = NULL;
                int status;

                close(TAKE_FD(all[i]->child.go_fd));
                output = finish(all[i], &status);
                assert_true(WIFEXITED(status));
                assert_int_equal(WEXITSTATUS(status), 0);
                assert_string_equal(output, "");
        }
}

static void test_go_to_one_that_is_gone(void **state)
{
        _cleanup_free_ char *output = NULL;
        Run run = begin(&(ChildSpawn){}, "echo ran");
        int status;

        assert_int_equal(process_signal(run.child.pidfd, SIGKILL), 0);
        assert_int_equal(waitid(P_PIDFD, (id_t)run.child.pidfd, &(siginfo_t){}, WEXITED | WNOWAIT),
                         0);
        assert_int_equal(child_go(&run.child), -EPIPE);
        output = finish(&run, &status);
        assert_string_equal(output, "");
}

static void test_program_that_is_not_there(void **state)
{
        char *const argv[] = {(char *)"/nonexistent/qemu", NULL};
        _cleanup_free_ char *output = NULL;
        int fds[2], status;
        Run run;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(child_spawn(&(ChildSpawn){.argv = argv, .output_fd = fds[1]}, &run.child),
                         0);
        close(fds[1]);
        run.output = fds[0];
        assert_int_equal(child_go(&run.child), 0);
        output = finish(&run, &status);
        assert_int_equal(WEXITSTATUS(status), 127);
        assert_string_equal(output, "/nonexistent/qemu: No such file or directory\n");
}

/* Numbers that are each other's sources, in the way of the pipe, and of one another. */
static void test_descriptors_at_their_numbers(void **state)
{
        ChildFd fds[4];
        char name[] = "a";
        ChildSpawn spawn = {.fds = fds, .n_fds = ARRAY_SIZE(fds)};

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i].fd = memfd_create("test", MFD_CLOEXEC);
                name[0] = (char)('a' + i);
                assert_int_equal(write(fds[i].fd, name, 1), 1);
                assert_int_equal(lseek(fds[i].fd, 0, SEEK_SET), 0);
        }
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i].number = fds[ARRAY_SIZE(fds) - 1 - i].fd;
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                _cleanup_free_ char *script = NULL, *expected = NULL;

                assert_true(asprintf(&script, "cat /proc/self/fd/%d", fds[i].number) > 0);
                assert_true(asprintf(&expected, "%c", (char)('a' + i)) > 0);
                check(&spawn, script, expected);
        }
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i].fd);
}

/* Neither what the daemon forgot to mark nor what it needs itself. */
static void test_no_other_descriptor(void **state)
{
        int leak = open("/dev/null", O_RDONLY), high = dup2(leak, 200);
        ChildFd fds[] = {{leak, 3}, {leak, 4}};
        ChildSpawn spawn = {.fds = fds, .n_fds = ARRAY_SIZE(fds)};

        /* 10 is the shell's own; ls has its directory open at the next free number */
        check(&spawn, "exec ls /proc/self/fd", "0\n1\n2\n3\n4\n5\n");
        check(&(ChildSpawn){}, "exec ls /proc/self/fd", "0\n1\n2\n3\n");
        check(&(ChildSpawn){}, "readlink /proc/self/fd/0", "/dev/null\n");
        close(leak);
        close(high);
}

/* A daemon that was started without stdin: its pipes may have the numbers 0 to 2. */
static void test_output_at_a_low_number(void **state)
{
        _cleanup_close_ int saved = fcntl(STDIN_FILENO, F_DUPFD_CLOEXEC, 3);
        _cleanup_free_ char *output = NULL;
        char *const argv[] = {(char *)"/bin/sh", (char *)"-c",
                              (char *)"echo out; readlink /proc/self/fd/0", NULL};
        int fds[2], status;
        Run run;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(dup3(fds[1], STDIN_FILENO, O_CLOEXEC), STDIN_FILENO);
        close(fds[1]);
        assert_int_equal(
                child_spawn(&(ChildSpawn){.argv = argv, .output_fd = STDIN_FILENO}, &run.child), 0);
        assert_int_equal(dup2(saved, STDIN_FILENO), STDIN_FILENO);
        run.output = fds[0];
        assert_int_equal(child_go(&run.child), 0);
        output = finish(&run, &status);
        assert_string_equal(output, "out\n/dev/null\n");
}

static void test_no_privileges(void **state)
{
        static const char script[] =
                "grep -E '^(Cap(Inh|Prm|Eff|Amb)|NoNewPrivs)' /proc/self/status;"
                "ulimit -c; pwd; umask; env | grep -v ^_= | grep -v ^PWD= | sort";

        check(&(ChildSpawn){}, script,
              "CapInh:\t0000000000000000\nCapPrm:\t0000000000000000\nCapEff:\t0000000000000000\n"
              "CapAmb:\t0000000000000000\nNoNewPrivs:\t1\n0\n/\n0077\n"
              "LANG=C.UTF-8\nPATH=/usr/bin:/bin\n");
        if (geteuid() == 0)
                check(&(ChildSpawn){}, "grep ^CapBnd /proc/self/status",
                      "CapBnd:\t0000000000000000\n");
}

static void test_signals_and_session(void **state)
{
        _cleanup_free_ char *output = NULL, *expected = NULL;
        sigset_t set;
        Run run;
        int status;

        sigemptyset(&set);
        sigaddset(&set, SIGTERM);
        assert_int_equal(sigprocmask(SIG_BLOCK, &set, NULL), 0);
        run = begin(&(ChildSpawn){}, "cat /proc/self/stat | cut -d' ' -f6;"
                                     "grep -E '^Sig(Blk|Ign)' /proc/self/status");
        assert_int_equal(sigprocmask(SIG_UNBLOCK, &set, NULL), 0);
        assert_int_equal(child_go(&run.child), 0);
        assert_true(asprintf(&expected,
                             "%d\nSigBlk:\t0000000000000000\nSigIgn:\t0000002000000000\n",
                             (int)run.child.pid) > 0);
        output = finish(&run, &status);
        assert_string_equal(output, expected);
}

static void test_ids_are_switched(void **state)
{
        static const gid_t groups[] = {4243, 4244};
        ChildSpawn spawn = {.switch_ids = true,
                            .uid = GUEST,
                            .gid = GUEST,
                            .groups = groups,
                            .n_groups = ARRAY_SIZE(groups)};

        if (geteuid() != 0) {
                print_message("needs root: becomes another user\n");
                skip();
        }
        check(&spawn, "grep -E '^(Uid|Gid|Groups)' /proc/self/status",
              "Uid:\t4242\t4242\t4242\t4242\nGid:\t4242\t4242\t4242\t4242\nGroups:\t4243 4244 \n");
        spawn.n_groups = 0;
        check(&spawn, "grep -E '^Groups' /proc/self/status", "Groups:\t \n");
}

static void test_filter(void **state)
{
        static const char script[] = "f=$(mktemp); chmod 0700 $f && echo kept; "
                                     "chmod 4700 $f 2>/dev/null || echo refused; rm $f";
        _cleanup_(file_filter_done) FileFilter filter = {};

        assert_int_equal(file_filter_init(&filter), 0);
        check(&(ChildSpawn){.filter = &filter}, script, "kept\nrefused\n");
        check(&(ChildSpawn){}, script, "kept\n");
}

/* Where the program would have said what is wrong, the child does. */
static void test_too_few_descriptors(void **state)
{
        _cleanup_close_ int null = open("/dev/null", O_RDONLY | O_CLOEXEC);
        ChildFd fds[] = {{.fd = null, .number = 60}, {.fd = null, .number = 59}};
        ChildSpawn spawn = {.fds = fds, .n_fds = ARRAY_SIZE(fds)};
        struct rlimit before;
        char text[256] = "";
        siginfo_t info;
        size_t size = 0;
        ssize_t n;
        Run run;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &(struct rlimit){64, before.rlim_max}), 0);
        run = begin(&spawn, "echo runs");
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
        while ((n = read(run.output, text + size, sizeof(text) - 1 - size)) > 0)
                size += (size_t)n;
        assert_string_equal(text, "cannot arrange descriptors: Too many open files\n");
        assert_int_equal(waitid(P_PID, (id_t)run.child.pid, &info, WEXITED), 0);
        assert_int_equal(info.si_status, 127);
        close(run.child.go_fd);
        close(run.child.pidfd);
        close(run.output);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_too_few_descriptors),
                leaks_unit_test(test_held_until_go),
                leaks_unit_test(test_end_of_file_means_exit),
                leaks_unit_test(test_go_to_one_that_is_gone),
                leaks_unit_test(test_program_that_is_not_there),
                leaks_unit_test(test_descriptors_at_their_numbers),
                leaks_unit_test(test_no_other_descriptor),
                leaks_unit_test(test_output_at_a_low_number),
                leaks_unit_test(test_no_privileges),
                leaks_unit_test(test_signals_and_session),
                leaks_unit_test(test_ids_are_switched),
                leaks_unit_test(test_filter),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
