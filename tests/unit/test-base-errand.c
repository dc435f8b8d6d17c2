/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/vfs.h>

#include "base/account.h"
#include "base/errand.h"
#include "base/fork.h"
#include "base/memfd.h"
#include "deaf.h"
#include "leaks.h"

#define UID 4711

static void answer_with(int socket, const int *fds, size_t n, const void *data)
{
        char five[5];

        if (n == 2 && fds[0] == -1 && strcmp(data, "data") == 0 && pread(fds[1], five, 5, 0) == 5)
                (void)!write(socket, five, 5);
}

static void answer_nothing(int socket, const int *fds, size_t n, const void *data)
{
        for (;;)
                pause();
}

static void end_at_once(int socket, const int *fds, size_t n, const void *data)
{
}

static const ErrandWork stays = {answer_nothing, NULL, 0}, ends = {end_at_once, NULL, 0};

static void test_answer(void **state)
{
        const ErrandWork work = {answer_with, "data", 5};
        int fds[] = {-1, memfd_from_bytes("x", "hello", 5)}, mine = fds[1];
        char answer[5];
        Errand errand;

        assert_int_equal(errand_begin(&errand, UID, &work, fds, 2), 0);
        assert_int_equal(errand_receive(&errand, 10000, answer, 5, NULL), 0);
        assert_memory_equal(answer, "hello", 5);
        assert_int_equal(errand_receive(&errand, 10000, answer, 5, NULL), -ECHILD);
        errand_end(&errand);
        close(mine);
}

/* One that never answers, and could be ended at any time. */
static void test_timeout(void **state)
{
        Errand errand;
        char byte;

        assert_int_equal(errand_begin(&errand, UID, &stays, NULL, 0), 0);
        assert_int_equal(errand_receive(&errand, 20, &byte, 1, NULL), -ETIMEDOUT);
        errand_end(&errand);
        assert_int_equal(errand_left(UID), 0);
}

static void ask_file_system(int socket, const int *fds, size_t n, const void *data)
{
        struct statfs fs;

        fstatfs(fds[0], &fs);
}

static int hang(Deaf *deaf, int fd)
{
        static const ErrandWork work = {ask_file_system, NULL, 0};
        Errand errand;
        char byte;
        int r = errand_begin(&errand, UID, &work, &fd, 1);

        if (r < 0)
                return r;
        assert_int_equal(errand_receive(&errand, 100, &byte, 1, NULL), -ETIMEDOUT);
        errand_end(&errand);
        return 0;
}

static uid_t one_for_two(const void *table, uid_t uid)
{
        (void)table;
        return uid == UID + 1 ? UID : uid;
}

/* Children that cannot be ended are left behind, up to a bound for each uid, and are gone once
 * their file answers. */
static void test_left(void **state)
{
        Errand errand;
        Deaf deaf;
        int fd;

        if (!deaf_mount(&deaf))
                skip();
        fd = deaf_open(&deaf);
        deaf.deaf = true;
        for (unsigned i = 0; i < ERRAND_LEFT_PER_UID; i++) {
                assert_int_equal(errand_left(UID), i);
                assert_int_equal(hang(&deaf, fd), 0);
        }
        assert_int_equal(errand_left(UID), ERRAND_LEFT_PER_UID);
        assert_int_equal(hang(&deaf, fd), -EUSERS);
        account_set(one_for_two, NULL);
        assert_int_equal(errand_left(UID + 1), ERRAND_LEFT_PER_UID);
        assert_int_equal(errand_begin(&errand, UID + 1, &ends, NULL, 0), -EUSERS);
        account_set(NULL, NULL);
        assert_int_equal(errand_left(UID + 1), 0);
        assert_int_equal(errand_begin(&errand, UID + 1, &ends, NULL, 0), 0);
        errand_end(&errand);
        assert_int_equal(errand_left(UID + 1), 0);

        deaf_abort(&deaf);
        for (int i = 0; i < 5000 && errand_left(UID); i++)
                usleep(1000);
        assert_int_equal(errand_left(UID), 0);
        close(fd);
        deaf_done(&deaf);
}

/* Others have no more than their places, at work or left behind, and root has its own. */
static void test_places(void **state)
{
        Errand of_others[ERRAND_LEFT_MAX + 1], of_root;
        size_t n = 0;
        int r = 0;

        while (r == 0 && n < ARRAY_SIZE(of_others)) {
                r = errand_begin(&of_others[n], (uid_t)(UID + n / 8), &stays, NULL, 0);
                n += r == 0;
        }
        assert_int_equal(r, -EUSERS);
        assert_int_equal(n, ERRAND_LEFT_MAX);
        assert_int_equal(errand_begin(&of_root, 0, &ends, NULL, 0), 0);
        errand_end(&of_root);
        while (n > 0)
                errand_end(&of_others[--n]);
        assert_int_equal(errand_begin(&of_others[0], UID + 1000, &ends, NULL, 0), 0);
        errand_end(&of_others[0]);
}

/* As the daemon does: what is opened later is never in a child's table unless it is given. */
static int setup(void **state)
{
        return fork_reserve();
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_answer),
                leaks_unit_test(test_timeout),
                leaks_unit_test(test_places),
                leaks_unit_test(test_left),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
