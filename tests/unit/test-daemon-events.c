/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <malloc.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/json.h"
#include "directory.h"
#include "leaks.h"
#include "loop.h"
#include "vm/event_store.h"
#include "vm/events.h"

#define BOOT "0b5f2f4e-0000-4000-8000-000000000001"
#define OTHER_BOOT "0b5f2f4e-0000-4000-8000-000000000002"

static const EventSubject web = {7, "web", "id", "plain", NULL};

typedef struct Room {
        TestLoop test;
        char *path;
        int fd;
        Events *events;
} Room;

static void begin(Room *room, const char *boot)
{
        assert_int_equal(events_new(&room->test.loop, room->fd, boot, &room->events), 0);
}

static void run_loop(Room *room)
{
        while (uv_run(&room->test.loop, UV_RUN_DEFAULT))
                ;
}

static void end(Room *room)
{
        run_loop(room);
        room->events = events_free(room->events);
}

static void shorten(const Room *room, const char *name, off_t size)
{
        int fd = openat(room->fd, name, O_WRONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, size), 0);
        close(fd);
}

static off_t size_of(const Room *room, const char *name)
{
        struct stat st;

        assert_int_equal(fstatat(room->fd, name, &st, 0), 0);
        return st.st_size;
}

/* As after a kill -9: the file says nothing of an end in good order. */
static void end_badly(Room *room)
{
        off_t size = size_of(room, "events");

        end(room);
        shorten(room, "events", size);
}

static void open_room(Room *room)
{
        test_loop_init(&room->test);
        room->path = directory_make();
        room->fd = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(room->fd >= 0);
}

static void close_room(Room *room)
{
        if (room->events)
                end(room);
        close(room->fd);
        room->fd = -1;
        test_loop_finish(&room->test);
        directory_remove(&room->path);
}

static void emit(Events *events, int64_t n)
{
        for (int64_t i = 0; i < n; i++)
                events_emit(events, &web, "state", "running", NULL,
                            json_build("reason", json_object_new_string("x"), NULL));
}

static void test_numbers_and_content(void **state)
{
        int64_t before = clock_now_usec();
        const Event *event;
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        assert_int_equal(events_next_sequence(room.events), 1);
        assert_null(events_get(room.events, 1));
        emit(room.events, 2);
        assert_int_equal(events_next_sequence(room.events), 3);
        assert_int_equal(events_oldest_sequence(room.events), 1);
        assert_null(events_get(room.events, 0));
        event = events_get(room.events, 2);
        assert_int_equal(event->owner, 7);
        assert_string_equal(event->name, "web");
        assert_string_equal(event->id, "id");
        assert_int_equal(json_member_int(event->json, "sequence", 0), 2);
        assert_true(json_member_int(event->json, "at", 0) >= before);
        assert_string_equal(json_member_string(event->json, "oldState"), "running");
        assert_null(json_member(event->json, "newState"));
        assert_string_equal(json_member_string(json_member(event->json, "detail"), "reason"), "x");
        close_room(&room);
}

static void check_shown(Events *events, int64_t sequence)
{
        const Event *event = events_get(events, sequence);
        _cleanup_json_ json_object *shown = events_show(events, event);
        _cleanup_json_ json_object *whole = json_build("event", json_object_get(event->json), NULL);

        assert_string_equal(json_text(shown), json_text(whole));
}

static void test_shown_to_each_follower(void **state)
{
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, 2);
        check_shown(room.events, 1);
        check_shown(room.events, 2);
        check_shown(room.events, 2);
        check_shown(room.events, 1);
        close_room(&room);
}

static void test_wrap(void **state)
{
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, EVENTS_KEPT);
        assert_int_equal(events_oldest_sequence(room.events), 1);
        emit(room.events, 3);
        assert_int_equal(events_oldest_sequence(room.events), 4);
        assert_null(events_get(room.events, 3));
        for (int64_t i = 4; i < events_next_sequence(room.events); i++)
                assert_int_equal(events_get(room.events, i)->sequence, i);
        close_room(&room);
}

/* A detail is bounded, however much a guest or a program says. */
static void test_long_detail(void **state)
{
        char text[EVENTS_DETAIL_MAX + 1];
        Room room = {};

        memset(text, 'x', sizeof(text) - 1);
        text[sizeof(text) - 1] = 0;
        open_room(&room);
        begin(&room, BOOT);
        events_emit(room.events, &web, "note", NULL, NULL,
                    json_build("text", json_object_new_string(text), NULL));
        assert_string_equal(json_text(json_member(events_get(room.events, 1)->json, "detail")),
                            "{\"omitted\":\"too long\"}");
        close_room(&room);
}

/* A new daemon has each event and the next number, however the last one ended. */
static void test_over_restarts(void **state)
{
        int64_t last = 0;
        Room room = {};

        open_room(&room);
        for (unsigned i = 0; i < 8; i++) {
                begin(&room, BOOT);
                assert_int_equal(events_next_sequence(room.events), last + 1);
                assert_int_equal(events_oldest_sequence(room.events),
                                 last < EVENTS_KEPT ? 1 : last + 1 - EVENTS_KEPT);
                for (int64_t n = events_oldest_sequence(room.events); n <= last; n++) {
                        const Event *event = events_get(room.events, n);

                        assert_int_equal(event->sequence, n);
                        assert_int_equal(json_member_int(event->json, "sequence", 0), n);
                        assert_int_equal(event->owner, 7);
                        assert_string_equal(event->name, "web");
                }
                emit(room.events, i == 3 ? 2 * EVENTS_KEPT + 17 : i % 3);
                last = events_next_sequence(room.events) - 1;
                if (i % 2)
                        end(&room);
                else
                        end_badly(&room);
        }
        close_room(&room);
}

/* A line that a kill -9 cut short was told to nobody. */
static void test_line_cut_short(void **state)
{
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, 3);
        end_badly(&room);
        shorten(&room, "events", size_of(&room, "events") - 5);
        begin(&room, BOOT);
        assert_int_equal(events_next_sequence(room.events), 3);
        emit(room.events, 1);
        end_badly(&room);
        begin(&room, BOOT);
        assert_int_equal(events_next_sequence(room.events), 4);
        assert_int_equal(events_get(room.events, 3)->sequence, 3);
        close_room(&room);
}

static void test_over_a_reboot_in_good_order(void **state)
{
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, 3);
        end(&room);
        begin(&room, OTHER_BOOT);
        assert_int_equal(events_next_sequence(room.events), 4);
        assert_int_equal(events_oldest_sequence(room.events), 1);
        close_room(&room);
}

static void assert_says_lost(const Room *room, int64_t number, const char *reason)
{
        const Event *event = events_get(room->events, number);

        assert_non_null(event);
        assert_int_equal(event->owner, EVENT_OF_ALL);
        assert_string_equal(json_member_string(event->json, "kind"), "events-lost");
        assert_string_equal(json_member_string(json_member(event->json, "detail"), "reason"),
                            reason);
}

/* The last lines may never have reached the disk: the numbers continue above the mark. */
static void test_over_a_crash(void **state)
{
        Room room = {};
        int64_t mark;

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, 3);
        end_badly(&room);
        begin(&room, OTHER_BOOT);
        mark = 1 + STORE_BLOCK;
        assert_int_equal(events_oldest_sequence(room.events), mark);
        assert_int_equal(events_next_sequence(room.events), mark + 1);
        assert_says_lost(&room, mark, "unclean-boot");
        emit(room.events, 1);
        end(&room);
        begin(&room, OTHER_BOOT); /* it is said once */
        assert_int_equal(events_next_sequence(room.events), mark + 2);
        close_room(&room);
}

static void spoil(const Room *room, const char *name, off_t at)
{
        int fd = openat(room->fd, name, O_WRONLY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(pwrite(fd, "\0\0\0", 3, at), 3);
        close(fd);
}

static void test_spoiled_events(void **state)
{
        Room room = {};
        int64_t last;

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, EVENTS_KEPT + 5);
        last = events_next_sequence(room.events) - 1;
        for (unsigned i = 0; i < 2; i++) {
                end(&room);
                spoil(&room, i ? "events.old" : "events", 200);
                begin(&room, BOOT);
                assert_true(events_oldest_sequence(room.events) > last);
                assert_says_lost(&room, events_oldest_sequence(room.events), "unclean-boot");
                emit(room.events, EVENTS_KEPT + 5);
                last = events_next_sequence(room.events) - 1;
        }
        close_room(&room);
}

static void test_spoiled_mark(void **state)
{
        static const char *const texts[] = {
                "", "x\n", "0\n", "-1\n", "99999999999999999999999999999\n", "5 6\n"};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                int64_t before = clock_now_usec();
                Room room = {};

                open_room(&room);
                assert_int_equal(
                        file_write_atomic_at(room.fd, "sequence", texts[i], strlen(texts[i]), 0600),
                        0);
                begin(&room, BOOT);
                assert_true(events_next_sequence(room.events) >= before);
                close_room(&room);
        }
}

/* Version 0.1.0 had nothing but the number up to which it reserved them. */
static void test_upgrade(void **state)
{
        Room room = {};

        open_room(&room);
        assert_int_equal(file_write_atomic_at(room.fd, "sequence", "1025\n", 5, 0600), 0);
        begin(&room, BOOT);
        assert_says_lost(&room, 1025, "unclean-boot");
        close_room(&room);
}

static int64_t mark_on_disk(const Room *room)
{
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(file_read_at(room->fd, "sequence", 24, &text, &size), 0);
        return strtoll(text, NULL, 10);
}

/* The loop brings the mark on; while it cannot, no event gets a number that a crash would give out
 * again. */
static void test_mark_is_ahead(void **state)
{
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, STORE_BLOCK);
        assert_int_equal(events_next_sequence(room.events), STORE_BLOCK + 1);
        emit(room.events, 10); /* the loop did not run: it is not known that the mark is there */
        assert_int_equal(events_next_sequence(room.events), STORE_BLOCK + 1);
        run_loop(&room);
        emit(room.events, 1);
        assert_says_lost(&room, STORE_BLOCK + 1, "disk");
        assert_int_equal(json_member_int(json_member(events_get(room.events, STORE_BLOCK + 1)->json,
                                                     "detail"),
                                         "count", 0),
                         10);
        assert_int_equal(events_next_sequence(room.events), STORE_BLOCK + 3);
        assert_true(mark_on_disk(&room) > STORE_BLOCK + STORE_BLOCK / 2);
        close_room(&room);
}

/* The mark's place is taken: no mark can be written. */
static void take_the_mark(const Room *room)
{
        assert_int_equal(renameat(room->fd, "sequence", room->fd, "aside"), 0);
        assert_int_equal(mkdirat(room->fd, "sequence", 0700), 0);
}

static void give_the_mark(const Room *room)
{
        assert_int_equal(unlinkat(room->fd, "sequence", AT_REMOVEDIR), 0);
        assert_int_equal(renameat(room->fd, "aside", room->fd, "sequence"), 0);
}

/* Whoever asks the next daemon learns that events were lost under this one. */
static void test_lost_before_the_end(void **state)
{
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, STORE_BLOCK + 10);
        end(&room);
        begin(&room, BOOT);
        assert_int_equal(events_next_sequence(room.events), STORE_BLOCK + 2);
        assert_says_lost(&room, STORE_BLOCK + 1, "disk");
        take_the_mark(&room);
        emit(room.events, 2 * STORE_BLOCK);
        end(&room);
        give_the_mark(&room);
        begin(&room, BOOT);
        assert_says_lost(&room, events_oldest_sequence(room.events), "unclean-boot");
        close_room(&room);
}

/* One warning, however many events come while the mark cannot be written. */
static void test_warnings_of_the_mark(void **state)
{
        _cleanup_free_ char *text = NULL;
        int saved, log;
        const char *found;
        Room room = {};
        size_t size;

        open_room(&room);
        begin(&room, BOOT);
        take_the_mark(&room);
        saved = dup(STDERR_FILENO);
        log = openat(room.fd, "log", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_true(saved >= 0 && log >= 0 && dup2(log, STDERR_FILENO) >= 0);
        emit(room.events, STORE_BLOCK / 2 + 100);
        assert_true(dup2(saved, STDERR_FILENO) >= 0);
        close(log);
        close(saved);
        assert_int_equal(file_read_at(room.fd, "log", 1 << 20, &text, &size), 0);
        found = strstr(text, "cannot write sequence");
        assert_non_null(found);
        assert_null(strstr(found + 1, "cannot write"));
        assert_int_equal(events_next_sequence(room.events), STORE_BLOCK / 2 + 101);
        give_the_mark(&room);
        close_room(&room);
}

/* A daemon that was killed may have left a mark that no crash of the host would. */
static void test_mark_is_written_by_each_start(void **state)
{
        struct stat before, after;
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        end(&room);
        assert_int_equal(fstatat(room.fd, "sequence", &before, 0), 0);
        begin(&room, BOOT);
        assert_int_equal(fstatat(room.fd, "sequence", &after, 0), 0);
        assert_int_not_equal(before.st_ino, after.st_ino);
        close_room(&room);
}

/* An event in memory has no text beside it. */
static void test_memory(void **state)
{
        const size_t n = 512, size = 4000;
        char text[4001];
        Room room = {};
        size_t before;

        memset(text, 'x', size);
        text[size] = 0;
        open_room(&room);
        begin(&room, BOOT);
        before = mallinfo2().uordblks;
        for (size_t i = 0; i < n; i++)
                events_emit(room.events, &web, "note", NULL, NULL,
                            json_build("text", json_object_new_string(text), NULL));
        assert_true(mallinfo2().uordblks - before < 2 * n * size); /* sanitizers say 0 */
        close_room(&room);
}

/* A file that cannot be written is dropped, lest a later daemon takes its last number for the last
 * that was used. */
static void test_disk_that_is_full(void **state)
{
        struct rlimit old, tight;
        Room room = {};
        int64_t last;

        open_room(&room);
        begin(&room, BOOT);
        emit(room.events, 3);
        assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
        signal(SIGXFSZ, SIG_IGN);
        tight = (struct rlimit){(rlim_t)size_of(&room, "events") + 10, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &tight), 0);
        emit(room.events, 1);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        assert_int_equal(faccessat(room.fd, "events", F_OK, 0), -1);
        assert_int_equal(events_get(room.events, 4)->sequence, 4); /* in memory it is */
        emit(room.events, 2);
        last = events_next_sequence(room.events) - 1;
        end_badly(&room);
        begin(&room, BOOT);
        assert_int_equal(events_oldest_sequence(room.events), 5);
        assert_int_equal(events_next_sequence(room.events), last + 1);
        close_room(&room);
}

typedef struct Follower {
        EventsFollower follower;
        unsigned n, ends;
        bool once;
} Follower;

static void on_more(void *userdata)
{
        Follower *f = userdata;

        f->n++;
        if (f->once)
                events_unfollow(&f->follower);
}

static void on_end(void *userdata)
{
        Follower *f = userdata;

        f->ends++;
        events_unfollow(&f->follower);
}

static void test_followers(void **state)
{
        Follower all[3] = {};
        Room room = {};

        open_room(&room);
        begin(&room, BOOT);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                all[i] = (Follower){.follower = {.more = on_more,
                                                 .end = i ? on_end : NULL,
                                                 .userdata = &all[i]},
                                    .once = i != 1};
                events_follow(room.events, &all[i].follower);
        }
        emit(room.events, 2);
        assert_int_equal(all[0].n, 1);
        assert_int_equal(all[1].n, 2);
        assert_int_equal(all[2].n, 1);
        events_unfollow(&all[0].follower); /* idempotent */
        events_unfollow(&all[1].follower);
        emit(room.events, 1);
        assert_int_equal(all[1].n, 2);
        for (size_t i = 0; i < ARRAY_SIZE(all); i++)
                events_follow(room.events, &all[i].follower);
        emit(room.events, 1);
        assert_int_equal(all[0].n, 2);
        events_follow(room.events, &all[2].follower);
        events_end(room.events);
        assert_int_equal(all[1].ends, 1);
        assert_int_equal(all[2].ends, 1);
        close_room(&room);
}

int main(void)
{
        uv_loop_t first; /* libuv keeps some descriptors of a process's first loop */
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_numbers_and_content),
                leaks_unit_test(test_shown_to_each_follower),
                leaks_unit_test(test_wrap),
                leaks_unit_test(test_long_detail),
                leaks_unit_test(test_over_restarts),
                leaks_unit_test(test_line_cut_short),
                leaks_unit_test(test_over_a_reboot_in_good_order),
                leaks_unit_test(test_over_a_crash),
                leaks_unit_test(test_spoiled_events),
                leaks_unit_test(test_spoiled_mark),
                leaks_unit_test(test_upgrade),
                leaks_unit_test(test_mark_is_ahead),
                leaks_unit_test(test_lost_before_the_end),
                leaks_unit_test(test_warnings_of_the_mark),
                leaks_unit_test(test_mark_is_written_by_each_start),
                leaks_unit_test(test_memory),
                leaks_unit_test(test_disk_that_is_full),
                leaks_unit_test(test_followers),
        };

        if (uv_loop_init(&first) < 0 || uv_loop_close(&first) < 0)
                return 1;
        return cmocka_run_group_tests(tests, NULL, NULL);
}
