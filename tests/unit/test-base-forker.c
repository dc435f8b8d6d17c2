/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <dirent.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/errand.h"
#include "base/fork.h"
#include "base/forker.h"
#include "base/memfd.h"

/* What a child says of itself. */
typedef struct Said {
        pid_t pid, parent;
        int number; /* of the variable below */
        char data[8];
        int fds[2];
        char byte; /* of the second descriptor */
        unsigned n_open;
} Said;

static int number = 1;

static void say(int socket, const int *fds, size_t n, const void *data)
{
        Said said = {.pid = getpid(), .parent = getppid(), .number = number};
        DIR *dir = opendir("/proc/self/fd");

        memcpy(said.data, data, sizeof(said.data));
        memcpy(said.fds, fds, sizeof(said.fds));
        (void)!pread(fds[1], &said.byte, 1, 0);
        while (dir && readdir(dir))
                said.n_open++;
        (void)!write(socket, &said, sizeof(said));
}

static void reap(pid_t pid)
{
        int status;

        assert_int_equal(waitpid(pid, &status, __WALL), pid);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void test_none_yet(void **state)
{
        int socket, pidfd;

        assert_int_equal(forker_make(say, "", 1, NULL, 0, &socket, &pidfd), -ENOSYS);
}

/* The child is this process's, has what it was given and nothing else, and is a copy of the process
 * that this one was when the forker began. */
static void test_child(void **state)
{
        int fds[] = {-1, memfd_from_bytes("x", "h", 1)}, socket, pidfd;
        Said said;
        pid_t pid;

        number = 2;
        pid = forker_make(say, "1234567", 8, fds, 2, &socket, &pidfd);
        assert_true(pid > 0);
        assert_int_equal(recv(socket, &said, sizeof(said), 0), sizeof(said));
        assert_int_equal(said.pid, pid);
        assert_int_equal(said.parent, getpid());
        assert_int_equal(said.number, 1);
        assert_string_equal(said.data, "1234567");
        assert_int_equal(said.fds[0], -1);
        assert_int_equal(said.byte, 'h');
        /* . and .. and the directory; stdin, stdout, stderr, its socket, the descriptor */
        assert_int_equal(said.n_open, 3 + 3 + 2);
        reap(pid);
        close(socket);
        close(pidfd);
        close(fds[1]);
}

static void test_many_at_once(void **state)
{
        enum { N = 50 };
        int sockets[N], pidfds[N], null[] = {-1, -1};
        pid_t pids[N];
        Said said;

        for (int i = 0; i < N; i++) {
                char data[8] = {(char)('A' + i)};

                pids[i] = forker_make(say, data, 8, null, 2, &sockets[i], &pidfds[i]);
                assert_true(pids[i] > 0);
        }
        for (int i = 0; i < N; i++) {
                assert_int_equal(recv(sockets[i], &said, sizeof(said), 0), sizeof(said));
                assert_int_equal(said.pid, pids[i]);
                assert_int_equal(said.data[0], 'A' + i);
                reap(pids[i]);
                close(sockets[i]);
                close(pidfds[i]);
        }
}

static void test_too_much(void **state)
{
        _cleanup_free_ char *data = calloc(1, FORKER_DATA_MAX + 1);
        int fds[FORKER_FDS_MAX + 1], socket, pidfd;

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = -1;
        assert_int_equal(forker_make(say, data, FORKER_DATA_MAX + 1, fds, 2, &socket, &pidfd),
                         -ENOSYS);
        assert_int_equal(forker_make(say, data, 8, fds, ARRAY_SIZE(fds), &socket, &pidfd), -ENOSYS);
}

static pid_t find_forker(void)
{
        char text[64] = "";
        FILE *file = fopen("/proc/thread-self/children", "re");

        assert_non_null(file);
        assert_non_null(fgets(text, sizeof(text), file));
        fclose(file);
        return (pid_t)strtol(text, NULL, 10);
}

/* An errand's child is then a copy of this process. */
static void test_forker_killed(void **state)
{
        const ErrandWork work = {say, "1234567", 8};
        int null[] = {-1, -1}, socket, pidfd;
        pid_t forker = find_forker();
        Errand errand;
        Said said;

        assert_int_equal(errand_begin(&errand, 4711, &work, null, 2), 0);
        assert_int_equal(errand_receive(&errand, 10000, &said, sizeof(said), NULL), 0);
        assert_int_equal(said.number, 1);
        errand_end(&errand);

        assert_int_equal(kill(forker, SIGKILL), 0);
        assert_int_equal(waitpid(forker, NULL, __WALL), forker);
        assert_int_equal(forker_make(say, "1234567", 8, null, 2, &socket, &pidfd), -ENOSYS);
        assert_int_equal(errand_begin(&errand, 4711, &work, null, 2), 0);
        assert_int_equal(errand_receive(&errand, 10000, &said, sizeof(said), NULL), 0);
        assert_int_equal(said.number, 2);
        errand_end(&errand);
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
}

static void test_stop(void **state)
{
        int socket, pidfd;

        assert_int_equal(forker_start(), 0);
        forker_stop();
        assert_int_equal(waitpid(-1, NULL, WNOHANG | __WALL), -1);
        assert_int_equal(forker_make(say, "", 1, NULL, 0, &socket, &pidfd), -ENOSYS);
        forker_stop(); /* idempotent */
}

static void test_start(void **state)
{
        assert_int_equal(fork_reserve(), 0);
        assert_int_equal(forker_start(), 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_none_yet), cmocka_unit_test(test_start),
                cmocka_unit_test(test_child),    cmocka_unit_test(test_many_at_once),
                cmocka_unit_test(test_too_much), cmocka_unit_test(test_forker_killed),
                cmocka_unit_test(test_stop),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
