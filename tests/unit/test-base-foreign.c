/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>

#include "base/foreign.h"
#include "base/macros.h"
#include "leaks.h"

static bool is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

static void await_closed(int fd)
{
        for (unsigned i = 0; i < 5000 && is_open(fd); i++)
                usleep(1000);
        assert_false(is_open(fd));
}

static void test_close(void **state)
{
        int fds[5] = {-1, -1, -1, -1, -1}, kept = open("/dev/null", O_RDONLY | O_CLOEXEC);

        foreign_close(fds, ARRAY_SIZE(fds));
        foreign_close(NULL, 0);
        fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fds[4] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        foreign_close(fds, 4);
        await_closed(fds[1]);
        assert_true(is_open(fds[4]) && is_open(kept));
        foreign_close(&fds[4], 1);
        await_closed(fds[4]);
        close(kept);
}

/* More of them than closers at a time, once and again. */
static void test_many(void **state)
{
        for (unsigned i = 0; i < 4 * FOREIGN_CLOSERS_MAX; i++) {
                int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

                foreign_close(&fd, 1);
                if (i % 16 == 0)
                        await_closed(fd);
        }
        usleep(100000);
}

int main(void)
{
        const struct CMUnitTest tests[] = {leaks_unit_test(test_close),
                                           cmocka_unit_test(test_many)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
