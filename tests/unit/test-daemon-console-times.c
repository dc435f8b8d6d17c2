/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/json.h"
#include "vm/console_times.h"

/* Points 1 s apart, of 10 bytes each, up to the most that there are. */
static void fill_times(ConsoleTimes *times)
{
        times->points = calloc(CONSOLE_TIMES_MAX, sizeof(*times->points));
        times->n = times->room = CONSOLE_TIMES_MAX;
        for (size_t i = 0; i < times->n; i++)
                times->points[i] = (ConsoleTime){10 * i, INT64_C(1000000) * (int64_t)(i + 1)};
        times->written = 10 * times->n;
        times->last = INT64_C(1000000) * CONSOLE_TIMES_MAX;
        times->apart = CONSOLE_TIMES_APART_USEC;
}

#define SECOND INT64_C(1000000)

/* A day of a line of 10 bytes a second: what is old is as exact as what is new. */
static void test_times_of_a_day(void **state)
{
        ConsoleTimes times = {};
        const int64_t day = 86400;

        console_times_clear(&times);
        times.begun = 1;
        for (int64_t second = 1; second <= day; second++) {
                console_times_add_at(&times, 10, second * SECOND);
                assert_true(times.n <= CONSOLE_TIMES_MAX);
        }
        assert_true(times.apart <= day * SECOND / 256);
        for (size_t i = 1; i < times.n; i++) {
                assert_true(times.points[i].offset > times.points[i - 1].offset);
                assert_in_range(times.points[i].usec - times.points[i - 1].usec, 0,
                                2 * times.apart);
        }
        for (int64_t since = 1; since <= day; since += 977) {
                uint64_t wanted = 10 * (uint64_t)(day - since + 1);

                assert_in_range(console_times_since(&times, since * SECOND), wanted,
                                wanted + 10 * (uint64_t)day / 100);
        }
        assert_int_equal(console_times_since(&times, day * SECOND + 1), 0);
        console_times_done(&times);
}

/* A clock that is set to and fro makes no more points. */
static void test_times_of_a_clock_that_jumps(void **state)
{
        ConsoleTimes times = {};

        console_times_clear(&times);
        for (int64_t i = 0; i < 5000; i++) {
                console_times_add_at(&times, 1, i % 2 ? 4000000000 * SECOND : i);
                assert_true(times.n <= CONSOLE_TIMES_MAX);
        }
        console_times_done(&times);
}

/* What was lost is in no position: what came before it has no time. */
static void test_times_before_a_gap(void **state)
{
        ConsoleTimes times = {};

        console_times_clear(&times);
        times.begun = 1;
        for (int64_t second = 1; second <= 10; second++)
                console_times_add_at(&times, 10, second * SECOND);
        console_times_forget(&times, 0);
        assert_int_equal(times.n, 10);
        console_times_forget(&times, 75);
        assert_int_equal(times.n, 3);
        assert_int_equal(times.points[0].offset, 75);
        assert_int_equal(times.points[0].usec, 8 * SECOND);
        assert_int_equal(console_times_since(&times, 8 * SECOND), UINT64_MAX);
        assert_int_equal(console_times_since(&times, 9 * SECOND), 20);
        console_times_forget(&times, 90);
        assert_int_equal(times.n, 1);
        assert_int_equal(times.points[0].usec, 10 * SECOND);
        console_times_done(&times);
}

static void test_since(void **state)
{
        ConsoleTimes times = {};

        fill_times(&times);
        times.begun = 500000;
        assert_int_equal(console_times_since(&times, 500000), UINT64_MAX);
        assert_int_equal(console_times_since(&times, 500001), 10 * CONSOLE_TIMES_MAX);
        assert_int_equal(console_times_since(&times, 1000001), 10 * CONSOLE_TIMES_MAX);
        assert_int_equal(console_times_since(&times, 1200001), 10 * CONSOLE_TIMES_MAX - 10);
        assert_int_equal(console_times_since(&times, INT64_C(1000000) * CONSOLE_TIMES_MAX), 10);
        assert_int_equal(console_times_since(&times, INT64_C(1000000) * CONSOLE_TIMES_MAX + 1), 0);
        console_times_done(&times);
}

static void assert_times(const ConsoleTimes *times, size_t size, const char *text)
{
        _cleanup_json_ json_object *shown = console_times_show(times, size);

        assert_string_equal(json_text(shown), text);
}

static void test_times_of_a_piece(void **state)
{
        ConsoleTimes times = {};

        assert_times(&times, 5, "[]");
        fill_times(&times);
        assert_times(&times, 10, "[{\"position\":0,\"at\":1024000000}]");
        assert_times(&times, 15,
                     "[{\"position\":0,\"at\":1023000000},{\"position\":5,\"at\":1024000000}]");
        times.n = 1; /* what an earlier daemon wrote has none */
        times.written = 10;
        assert_times(&times, 12, "[{\"position\":2,\"at\":1000000}]");
        console_times_done(&times);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_times_of_a_day),
                cmocka_unit_test(test_times_of_a_clock_that_jumps),
                cmocka_unit_test(test_times_before_a_gap),
                cmocka_unit_test(test_since),
                cmocka_unit_test(test_times_of_a_piece),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
