/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * An event loop for tests. test_loop_finish() fails the test if a handle is left open after all
 * that was closing has closed, or if the process has other descriptors than at test_loop_init().
 * Include after "test.h".
 */

#include <dirent.h>
#include <stdbool.h>
#include <time.h>
#include <uv.h>

#define TEST_LOOP_MSEC 20000 /* a wait that takes longer has failed; valgrind is slow */

typedef struct TestLoop {
        uv_loop_t loop;
        size_t n_fds;
} TestLoop;

static inline size_t test_count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static inline int64_t test_now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static inline void test_loop_init(TestLoop *test)
{
        uv_loop_t first;

        /* libuv opens some descriptors with a process's first loop and keeps them */
        assert_int_equal(uv_loop_init(&first), 0);
        assert_int_equal(uv_loop_close(&first), 0);
        test->n_fds = test_count_fds();
        assert_int_equal(uv_loop_init(&test->loop), 0);
}

/* One turn of the loop that waits for at most a few milliseconds. */
static inline void test_loop_turn(TestLoop *test)
{
        if (uv_run(&test->loop, UV_RUN_NOWAIT))
                nanosleep(&(struct timespec){.tv_nsec = 200 * 1000}, NULL);
}

/* Runs the loop until the expression is true; fails the test if it does not become so. */
#define test_loop_until(test, expression)                                                          \
        do {                                                                                       \
                int64_t _end = test_now_msec() + TEST_LOOP_MSEC;                                   \
                while (!(expression)) {                                                            \
                        if (test_now_msec() > _end)                                                \
                                fail_msg("waited in vain for: %s", #expression);                   \
                        test_loop_turn(test);                                                      \
                }                                                                                  \
        } while (0)

/* Runs the loop for a while, to see that something does not happen. */
static inline void test_loop_for(TestLoop *test, int msec)
{
        int64_t end = test_now_msec() + msec;

        while (test_now_msec() < end)
                test_loop_turn(test);
}

static inline void test_loop_finish(TestLoop *test)
{
        int64_t end = test_now_msec() + TEST_LOOP_MSEC;
        int r;

        while (uv_loop_alive(&test->loop) && test_now_msec() < end)
                test_loop_turn(test);
        r = uv_loop_close(&test->loop);
        if (r < 0)
                uv_print_all_handles(&test->loop, stderr);
        assert_int_equal(r, 0);
        /* what others sent is closed in a thread (base/foreign.h) */
        while (test_count_fds() > test->n_fds && test_now_msec() < end)
                usleep(1000);
        assert_int_equal(test_count_fds(), test->n_fds);
}
