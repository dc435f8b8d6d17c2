/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/stat.h>

#include "base/json.h"
#include "directory.h"
#include "leaks.h"
#include "local/clock.h"
#include "vm/events.h"

static Events *begin(const char *path, int *dirfd)
{
        Events *events;

        *dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(*dirfd >= 0);
        assert_int_equal(events_new(*dirfd, &events), 0);
        return events;
}

static void emit(Events *events, unsigned n)
{
        const EventSubject subject = {7, "web", "id", "plain", NULL};

        for (unsigned i = 0; i < n; i++)
                events_emit(events, &subject, "state", "running", NULL,
                            json_build("reason", json_object_new_string("x"), NULL));
}

static void test_numbers_and_content(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dirfd = -1;
        _cleanup_(events_freep) Events *events = begin(path, &dirfd);
        int64_t before = clock_now_usec();
        const Event *event;

        assert_int_equal(events_next_sequence(events), 1);
        assert_null(events_get(events, 1));
        emit(events, 2);
        assert_int_equal(events_next_sequence(events), 3);
        assert_int_equal(events_oldest_sequence(events), 1);
        assert_null(events_get(events, 0));
        event = events_get(events, 2);
        assert_int_equal(event->owner, 7);
        assert_string_equal(event->name, "web");
        assert_int_equal(json_member_int(event->json, "sequence", 0), 2);
        assert_true(json_member_int(event->json, "at", 0) >= before);
        assert_string_equal(json_member_string(event->json, "oldState"), "running");
        assert_null(json_member(event->json, "newState"));
        assert_string_equal(json_member_string(json_member(event->json, "detail"), "reason"), "x");
}

static void test_wrap(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dirfd = -1;
        _cleanup_(events_freep) Events *events = begin(path, &dirfd);

        emit(events, EVENTS_KEPT);
        assert_int_equal(events_oldest_sequence(events), 1);
        emit(events, 3);
        assert_int_equal(events_oldest_sequence(events), 4);
        assert_null(events_get(events, 3));
        for (int64_t i = 4; i < events_next_sequence(events); i++)
                assert_int_equal(events_get(events, i)->sequence, i);
}

/* Also where the daemon ended at once after the event. */
static void test_numbers_over_restarts(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        int64_t last = 0;

        for (unsigned i = 0; i < 4; i++) {
                _cleanup_close_ int dirfd = -1;
                _cleanup_(events_freep) Events *events = begin(path, &dirfd);

                assert_true(events_next_sequence(events) > last);
                assert_int_equal(events_oldest_sequence(events), events_next_sequence(events));
                emit(events, i == 1 ? EVENTS_BLOCK + 1 : 1);
                last = events_next_sequence(events) - 1;
        }
}

static void test_spoiled_file(void **state)
{
        static const char *const texts[] = {
                "", "x\n", "0\n", "-1\n", "99999999999999999999999999999\n", "5 6\n"};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_(directory_remove) char *path = directory_make();
                _cleanup_(events_freep) Events *events = NULL;
                _cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
                int64_t before = clock_now_usec();

                assert_int_equal(
                        file_write_atomic_at(dirfd, "sequence", texts[i], strlen(texts[i]), 0600),
                        0);
                assert_int_equal(events_new(dirfd, &events), 0);
                assert_true(events_next_sequence(events) >= before);
        }
}

typedef struct Follower {
        EventsFollower follower;
        Events *events;
        unsigned n;
        bool once;
} Follower;

static void on_more(void *userdata)
{
        Follower *f = userdata;

        f->n++;
        if (f->once)
                events_unfollow(&f->follower);
}

static void test_followers(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dirfd = -1;
        _cleanup_(events_freep) Events *events = begin(path, &dirfd);
        Follower all[3] = {};

        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                all[i] = (Follower){.follower = {.more = on_more, .userdata = &all[i]},
                                    .once = i != 1};
                events_follow(events, &all[i].follower);
        }
        emit(events, 2);
        assert_int_equal(all[0].n, 1);
        assert_int_equal(all[1].n, 2);
        assert_int_equal(all[2].n, 1);
        events_unfollow(&all[0].follower); /* idempotent */
        events_unfollow(&all[1].follower);
        emit(events, 1);
        assert_int_equal(all[1].n, 2);
        events_follow(events, &all[0].follower);
        emit(events, 1);
        assert_int_equal(all[0].n, 2);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_numbers_and_content),
                leaks_unit_test(test_wrap),
                leaks_unit_test(test_numbers_over_restarts),
                leaks_unit_test(test_spoiled_file),
                leaks_unit_test(test_followers),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
