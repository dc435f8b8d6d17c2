/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/stat.h>

#include "directory.h"
#include "leaks.h"
#include "vm/record.h"

#define N 20u
#define DAY 86400

typedef struct Room {
        char *path;
        int fd;
        time_t now; /* as the last of them was set aside */
} Room;

static void name_of(unsigned i, char name[static 64])
{
        snprintf(name, 64, "00000000-0000-0000-0000-0000000000%02u.json" RECORD_BAD, i);
}

/* The clock of a file system has ticks. */
static void set_aside_later(int fd, unsigned i, struct timespec *last)
{
        static const struct timespec first[2] = {}; /* the mtime says nothing */
        struct timespec at;
        char name[64];
        struct stat st;

        name_of(i, name);
        assert_int_equal(file_write_atomic_at(fd, name, "{", 1, 0600), 0);
        do {
                assert_int_equal(utimensat(fd, name, first, 0), 0);
                assert_int_equal(fstatat(fd, name, &st, 0), 0);
                at = st.st_ctim;
        } while (at.tv_sec < last->tv_sec ||
                 (at.tv_sec == last->tv_sec && at.tv_nsec <= last->tv_nsec));
        *last = at;
}

static void room_init(Room *room)
{
        struct timespec last = {};

        room->path = directory_make();
        room->fd = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(room->fd >= 0);
        for (unsigned i = 0; i < N; i++)
                set_aside_later(room->fd, i, &last);
        room->now = last.tv_sec;
}

static void room_done(Room *room)
{
        close(room->fd);
        directory_remove(&room->path);
}

static void assert_left(const Room *room, unsigned n)
{
        char name[64];

        for (unsigned i = 0; i < N; i++) {
                name_of(i, name);
                assert_int_equal(faccessat(room->fd, name, F_OK, 0), i < N - n ? -1 : 0);
        }
}

/* An older daemon left them with the mtime that the record had. */
static void test_the_newest_are_kept(void **state)
{
        Room room;

        room_init(&room);
        record_trim_bad(room.fd, room.now);
        assert_left(&room, RECORDS_BAD_MAX);
        record_trim_bad(room.fd, room.now + (RECORDS_BAD_DAYS - 1) * DAY);
        assert_left(&room, RECORDS_BAD_MAX);
        room_done(&room);
}

/* Or the clock is wrong. */
static void test_some_are_kept_for_ever(void **state)
{
        Room room;

        room_init(&room);
        record_trim_bad(room.fd, room.now + (RECORDS_BAD_DAYS + 1) * DAY);
        assert_left(&room, RECORDS_BAD_MIN);
        record_trim_bad(room.fd, room.now + 1000 * DAY);
        assert_left(&room, RECORDS_BAD_MIN);
        room_done(&room);
}

int main(void)
{
        static const struct CMUnitTest tests[] = {
                leaks_unit_test(test_the_newest_are_kept),
                leaks_unit_test(test_some_are_kept_for_ever),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
