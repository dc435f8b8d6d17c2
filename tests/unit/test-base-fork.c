/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/fork.h"
#include "base/memfd.h"
#include "leaks.h"

/* The exit statuses of children, which must not fail by cmocka's means. */
enum { GOOD, BAD_NUMBERS, BAD_TABLE, BAD_CONTENT };

static int end_of(pid_t pid)
{
        int status;

        assert_true(pid > 0);
        assert_int_equal(waitpid(pid, &status, __WALL), pid);
        assert_true(WIFEXITED(status));
        return WEXITSTATUS(status);
}

/* Whether the table holds stdin to stderr, what is in `fds` and nothing else. */
static bool has_only(const int *fds, size_t n)
{
        for (int fd = STDERR_FILENO + 1; fd < 1024; fd++) {
                bool given = false;

                for (size_t i = 0; i < n; i++)
                        given = given || fds[i] == fd;
                if (given != (fcntl(fd, F_GETFD) >= 0))
                        return false;
        }
        return true;
}

static int memfd_of(const char *text)
{
        int fd = memfd_new("test");

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, strlen(text)), strlen(text));
        return fd;
}

static bool holds(int fd, const char *text)
{
        char bytes[16] = {};

        return pread(fd, bytes, sizeof(bytes) - 1, 0) >= 0 && strcmp(bytes, text) == 0;
}

static void test_gets_what_it_is_given(void **state)
{
        int others[80], one = memfd_of("one"), two = memfd_of("two"), fds[] = {two, -1, one, two};
        int pidfd = -1, before[] = {two, -1, one, two};
        pid_t pid;

        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                others[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        pid = fork_bare(fds, ARRAY_SIZE(fds), SIGCHLD, &pidfd);
        if (pid == 0) {
                if (fds[1] != -1 || fds[0] <= STDERR_FILENO || fds[0] == fds[3])
                        _exit(BAD_NUMBERS);
                if (!has_only(fds, ARRAY_SIZE(fds)))
                        _exit(BAD_TABLE);
                if (!holds(fds[0], "two") || !holds(fds[2], "one") || !holds(fds[3], "two") ||
                    fcntl(fds[2], F_GETFD) != FD_CLOEXEC)
                        _exit(BAD_CONTENT);
                _exit(GOOD);
        }
        assert_int_equal(end_of(pid), GOOD);
        assert_true(pidfd >= 0);
        close(pidfd);
        assert_memory_equal(fds, before, sizeof(fds));
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                close(others[i]);
        close(one);
        close(two);
}

static void test_nothing_to_give(void **state)
{
        pid_t pid = fork_bare(NULL, 0, 0, NULL);

        if (pid == 0)
                _exit(has_only(NULL, 0) ? GOOD : BAD_TABLE);
        assert_int_equal(waitpid(pid, NULL, WNOHANG), -1); /* it signals nobody */
        assert_int_equal(end_of(pid), GOOD);
}

static void test_bad_descriptor(void **state)
{
        int fds[] = {999};

        assert_int_equal(fork_bare(fds, 1, SIGCHLD, NULL), -EBADF);
}

/* An open file that nobody but the test process refers to tells when it is closed for the last
 * time: a pipe's reader sees the end. A child that had a copy would keep it open. */
static void test_child_holds_nothing(void **state)
{
        int pipe_fds[2], go[2], fds[1];
        char byte;
        pid_t pid;

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK), 0);
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        fds[0] = go[0];
        pid = fork_bare(fds, 1, SIGCHLD, NULL);
        if (pid == 0)
                _exit(read(fds[0], &byte, 1) == 0 ? GOOD : BAD_CONTENT);
        close(pipe_fds[1]);
        assert_int_equal(read(pipe_fds[0], &byte, 1), 0);
        close(pipe_fds[0]);
        close(go[1]); /* the child has no copy of it either, or it would wait for ever */
        assert_int_equal(end_of(pid), GOOD);
        close(go[0]);
}

/* A parent between this process and its child, which dies before the child asks to end with it, or
 * afterwards; the child's end is seen at a pipe. */
static void outlive(bool asks_before)
{
        int ended[2], go[2], fds[2], status;
        char byte;
        pid_t parent;

        assert_int_equal(pipe2(ended, O_CLOEXEC), 0);
        assert_int_equal(pipe2(go, O_CLOEXEC), 0);
        parent = fork();
        if (parent == 0) {
                fds[0] = ended[1];
                fds[1] = go[0];
                if (fork_bare(fds, 2, SIGCHLD, NULL) == 0) {
                        if (asks_before && (fork_end_with_parent() < 0 ||
                                            write(fds[0], "a", 1) != 1 || pause() < 0))
                                _exit(BAD_CONTENT);
                        (void)!read(fds[1], &byte, 1);
                        (void)!write(fds[0], fork_end_with_parent() == -ESRCH ? "d" : "n", 1);
                        _exit(0);
                }
                /* a child that asks first is waited for by who waits for this process */
                _exit(asks_before && read(ended[0], &byte, 1) != 1 ? BAD_CONTENT : GOOD);
        }
        close(ended[1]);
        assert_int_equal(waitpid(parent, &status, 0), parent);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == GOOD);
        close(go[1]);
        if (!asks_before) {
                assert_int_equal(read(ended[0], &byte, 1), 1);
                assert_int_equal(byte, 'd');
        }
        assert_int_equal(read(ended[0], &byte, 1), 0);
        close(ended[0]);
        close(go[0]);
}

static void test_ends_with_parent(void **state)
{
        outlive(true);
        outlive(false);
}

static void *fork_many(void *userdata)
{
        intptr_t n_bad = 0;

        for (int i = 0; i < 20; i++) {
                int number = memfd_new("test"), fds[] = {number};
                int pidfd, status = 1;
                pid_t pid;

                (void)!write(number, &i, sizeof(i));
                pid = fork_bare(fds, 1, SIGCHLD, &pidfd);
                if (pid == 0) {
                        int read_back = -1;

                        if (pread(fds[0], &read_back, sizeof(read_back), 0) != sizeof(read_back) ||
                            read_back != i)
                                _exit(BAD_CONTENT);
                        _exit(has_only(fds, 1) ? GOOD : BAD_TABLE);
                }
                if (pid < 0 || waitpid(pid, &status, 0) != pid || status != 0)
                        n_bad++;
                close(pidfd);
                close(number);
        }
        return (void *)n_bad;
}

static void test_threads(void **state)
{
        pthread_t threads[4];

        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, fork_many, NULL), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                void *n_bad;

                pthread_join(threads[i], &n_bad);
                assert_null(n_bad);
        }
}

/* Last, as it lasts: what is opened from now on has a number above those that children copy. */
static void test_reserve(void **state)
{
        int fd, before, fds[] = {-1};

        close(STDIN_FILENO); /* as a process may begin that no shell and no systemd has started */
        assert_int_equal(fork_reserve(), 0);
        fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
        assert_true(fd >= FORK_RESERVED);
        before = leaks_count_fds();
        for (int i = 0; i < 3; i++) {
                pid_t pid;

                fds[0] = fd;
                pid = fork_bare(fds, 1, SIGCHLD, NULL);
                if (pid == 0)
                        _exit(has_only(fds, 1) && fds[0] > STDERR_FILENO && fds[0] < FORK_RESERVED
                                      ? GOOD
                                      : BAD_TABLE);
                assert_int_equal(end_of(pid), GOOD);
        }
        assert_int_equal(leaks_count_fds(), before);
        test_threads(state);
        assert_int_equal(leaks_count_fds(), before);
        assert_true(open("/dev/null", O_RDONLY | O_CLOEXEC) >= FORK_RESERVED);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_gets_what_it_is_given),
                leaks_unit_test(test_nothing_to_give),
                leaks_unit_test(test_bad_descriptor),
                leaks_unit_test(test_child_holds_nothing),
                leaks_unit_test(test_ends_with_parent),
                leaks_unit_test(test_threads),
                cmocka_unit_test(test_reserve),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
