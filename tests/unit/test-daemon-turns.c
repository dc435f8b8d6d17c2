/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <stdatomic.h>

#include "base/macros.h"
#include "local/turns.h"
#include "loop.h"

#define N 12 /* of each user */
#define ANN 61001
#define BOB 61002
#define EVE 61003

/* What works now, and the most at a time. */
typedef struct Count {
        atomic_uint now, most;
} Count;

typedef struct Job {
        Turn turn;
        Count *own, *all;
        bool ran;
        unsigned *n_done;
} Job;

static void count_begin(Count *count)
{
        unsigned now = ++count->now, most = count->most;

        while (now > most && !atomic_compare_exchange_weak(&count->most, &most, now))
                ;
}

static void on_run(Turn *turn)
{
        Job *job = container_of(turn, Job, turn);

        count_begin(job->own);
        count_begin(job->all);
        usleep(5000);
        job->own->now--;
        job->all->now--;
        job->ran = true;
}

static void on_done(Turn *turn)
{
        ++*container_of(turn, Job, turn)->n_done;
}

/* A user has no more than the threads of a user, and all together no more than theirs. */
static void check(unsigned of_a_user, unsigned of_others)
{
        static const uid_t uids[] = {ANN, BOB, EVE};
        Count of_uid[ARRAY_SIZE(uids)] = {}, all = {};
        Job jobs[ARRAY_SIZE(uids) * N] = {};
        unsigned n_done = 0;
        TestLoop test;
        Turns *turns;

        test_loop_init(&test);
        turns = turns_new(&test.loop, of_a_user, of_others, 0);
        for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
                size_t user = i / N;

                jobs[i] = (Job){.own = &of_uid[user], .all = &all, .n_done = &n_done};
                turns_take(turns, &jobs[i].turn, uids[user], on_run, on_done);
        }
        test_loop_until(&test, n_done == ARRAY_SIZE(jobs));
        for (size_t i = 0; i < ARRAY_SIZE(uids); i++)
                assert_in_range(of_uid[i].most, 1, of_a_user);
        assert_in_range(all.most, 1, of_others);
        assert_int_equal(of_uid[0].most, of_a_user); /* Ann came first */
        turns_close(turns);
        assert_true(jobs[0].ran);
        jobs[0].ran = false;
        turns_take(turns, &jobs[0].turn, ANN, on_run, on_done);
        assert_int_equal(n_done, ARRAY_SIZE(jobs) + 1); /* at once, and it did not run */
        assert_false(jobs[0].ran);
        test_loop_finish(&test);
        turns_free(turns);
}

static void test_of_a_user(void **state)
{
        check(1, 2);
        check(4, 6);
}

/* One works; one that is withdrawn is neither run nor done; one that waits at the end is not run,
 * but done. */
static void test_that_wait(void **state)
{
        Count own = {}, all = {};
        Job jobs[3] = {};
        unsigned n_done[3] = {};
        TestLoop test;
        Turns *turns;

        test_loop_init(&test);
        turns = turns_new(&test.loop, 1, 1, 0);
        for (size_t i = 0; i < ARRAY_SIZE(jobs); i++) {
                jobs[i] = (Job){.own = &own, .all = &all, .n_done = &n_done[i]};
                turns_take(turns, &jobs[i].turn, ANN, on_run, on_done);
        }
        assert_false(turns_withdraw(&jobs[0].turn));
        assert_true(turns_withdraw(&jobs[1].turn));
        turns_close(turns);
        assert_int_equal(n_done[2], 1);
        test_loop_until(&test, n_done[0] == 1);
        assert_true(jobs[0].ran);
        for (size_t i = 1; i < ARRAY_SIZE(jobs); i++)
                assert_false(jobs[i].ran);
        assert_int_equal(n_done[1], 0);
        assert_int_equal(n_done[2], 1);
        test_loop_finish(&test);
        turns_free(turns);
}

/* A user rests after a turn, for so many times what it took; nobody else waits for that, and at
 * the end nobody rests. */
static void test_rest(void **state)
{
        enum { ANNS = 4, WORKS_MSEC = 5, REST = 6 };
        Count own = {}, all = {};
        Job jobs[ANNS + 2] = {};
        unsigned n_anns = 0, n_bobs = 0;
        TestLoop test;
        Turns *turns;
        uint64_t begun;

        test_loop_init(&test);
        turns = turns_new(&test.loop, 1, 2, REST);
        begun = uv_hrtime();
        for (size_t i = 0; i < ANNS; i++) {
                jobs[i] = (Job){.own = &own, .all = &all, .n_done = &n_anns};
                turns_take(turns, &jobs[i].turn, ANN, on_run, on_done);
        }
        test_loop_until(&test, n_anns == 1);
        jobs[ANNS] = (Job){.own = &own, .all = &all, .n_done = &n_bobs};
        turns_take(turns, &jobs[ANNS].turn, BOB, on_run, on_done);
        test_loop_until(&test, n_bobs == 1);
        assert_int_equal(n_anns, 1);
        test_loop_until(&test, n_anns == ANNS - 1);
        assert_true(uv_hrtime() - begun >= (ANNS - 2) * (REST + 1) * WORKS_MSEC * 1000000ull);
        turns_close(turns);
        turns_close(turns);
        assert_int_equal(n_anns, ANNS);
        assert_false(jobs[ANNS - 1].ran);
        test_loop_finish(&test);
        turns_free(turns);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_of_a_user),
                                           cmocka_unit_test(test_that_wait),
                                           cmocka_unit_test(test_rest)};

        setenv("UV_THREADPOOL_SIZE", "16", 1);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
