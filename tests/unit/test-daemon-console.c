/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <semaphore.h>
#include <sys/stat.h>

#include "base/backlog.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "leaks.h"
#include "loop.h"
#include "mounts.h"
#include "vm/console.h"

#define BYTES 10000u /* of a file: no divisor of the ring, so that pieces end everywhere */
#define FILES 3u

static char directory[] = "/tmp/cvmd-test-console-XXXXXX";
static int dirfd_ = -1;
static DiskQueue *queue; /* NULL in most tests: all is written at once */

static int setup(void **state)
{
        TestLoop first;

        test_loop_init(&first); /* libuv keeps some descriptors from its first loop on */
        test_loop_finish(&first);
        assert_non_null(mkdtemp(directory));
        dirfd_ = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        return dirfd_ < 0;
}

static int teardown(void **state)
{
        close(dirfd_);
        umount2(directory, MNT_DETACH); /* of a case that failed */
        return tree_remove_at(AT_FDCWD, directory);
}

static Console *make(uint64_t bytes, uint32_t files)
{
        Console *console = NULL;

        assert_int_equal(console_new(queue, dirfd_, "c", bytes, files, &console), 0);
        return console;
}

static void finish(Console *console)
{
        assert_int_equal(console_remove(console), 0);
        console_free(console);
}

static void write_text(Console *console, const char *text)
{
        console_write(console, text, strlen(text));
}

static void assert_tail(Console *console, uint64_t lines, size_t max, const char *text)
{
        _cleanup_free_ char *tail = NULL;
        size_t size;

        assert_int_equal(console_tail(console, lines, max, &tail, &size), 0);
        assert_string_equal(tail, text);
        assert_int_equal(size, strlen(text));
}

static int64_t file_size(const char *name)
{
        struct stat st;

        return fstatat(dirfd_, name, &st, AT_SYMLINK_NOFOLLOW) < 0 ? -1 : st.st_size;
}

/* The byte at an offset of an endless stream in which every stretch is different. */
static char byte_at(uint64_t offset)
{
        uint64_t x = offset * UINT64_C(0x9e3779b97f4a7c15);

        return (char)(x >> 56);
}

static void write_stream(Console *console, uint64_t *offset, size_t size)
{
        char *data = malloc(size);

        for (size_t i = 0; i < size; i++)
                data[i] = byte_at(*offset + i);
        console_write(console, data, size);
        *offset += size;
        free(data);
}

/* All that is kept is the stream's end; at least `least` bytes of it. */
static void assert_stream(Console *console, uint64_t offset, size_t least)
{
        _cleanup_free_ char *tail = NULL;
        size_t size;

        assert_int_equal(console_tail(console, 0, SIZE_MAX, &tail, &size), 0);
        assert_true(size >= least && size <= offset);
        for (size_t i = 0; i < size; i++)
                if (tail[i] != byte_at(offset - size + i))
                        fail_msg("byte %zu of %zu is wrong", i, size);
}

static void test_lines(void **state)
{
        Console *console = make(BYTES, FILES);

        assert_tail(console, 0, 100, "");
        assert_tail(console, 5, 100, "");
        write_text(console, "one\ntw");
        write_text(console, "o\nthree\n\nfive");
        assert_tail(console, 0, 100, "one\ntwo\nthree\n\nfive");
        assert_tail(console, 1, 100, "five");
        assert_tail(console, 2, 100, "\nfive");
        assert_tail(console, 3, 100, "three\n\nfive");
        assert_tail(console, 99, 100, "one\ntwo\nthree\n\nfive");
        assert_tail(console, 3, 6, "\n\nfive");
        assert_tail(console, 0, 0, "");
        write_text(console, "\n");
        assert_tail(console, 1, 100, "five\n");
        write_text(console, "\n");
        assert_tail(console, 1, 100, "\n");
        finish(console);
}

static void test_private(void **state)
{
        Console *console = make(BYTES, FILES);
        mode_t mask = umask(0);
        struct stat st;

        write_text(console, "secret");
        umask(mask);
        assert_int_equal(fstatat(dirfd_, "c.log", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        finish(console);
        assert_int_equal(file_size("c.log"), -1);
}

static void assert_bounded(void)
{
        assert_true(file_size("c.log") <= BYTES);
        assert_true(file_size("c.log.1") <= BYTES);
        assert_true(file_size("c.log.2") <= BYTES);
        assert_int_equal(file_size("c.log.3"), -1);
}

/* A guest that floods: the bound holds at each moment, and what is kept is its last output. */
static void test_flood(void **state)
{
        Console *console = make(BYTES, FILES);
        uint64_t offset = 0;

        for (size_t i = 0; i < 300; i++) {
                write_stream(console, &offset, 1 + i * 37 % 3001);
                assert_bounded();
                assert_stream(console, offset, offset < 2 * BYTES ? offset : 2 * BYTES);
        }
        write_stream(console, &offset, 1000000);
        assert_bounded();
        assert_stream(console, offset, 2 * BYTES);
        finish(console);
        for (unsigned i = 0; i < FILES; i++)
                assert_int_equal(file_size((const char *[]){"c.log", "c.log.1", "c.log.2"}[i]), -1);
}

static void test_one_file(void **state)
{
        Console *console = make(BYTES, 1);
        uint64_t offset = 0;

        for (size_t i = 0; i < 50; i++)
                write_stream(console, &offset, 1500);
        assert_true(file_size("c.log") > 0 && file_size("c.log") <= BYTES);
        assert_int_equal(file_size("c.log.1"), -1);
        assert_stream(console, offset, 1500);
        finish(console);
}

/* A restarted daemon goes on where it was. */
static void test_reopen(void **state)
{
        Console *console = make(BYTES, FILES);
        uint64_t offset = 0;

        write_stream(console, &offset, BYTES + 500);
        console_free(console);
        console = make(BYTES, FILES);
        assert_stream(console, offset, BYTES + 500);
        write_stream(console, &offset, 700);
        assert_stream(console, offset, BYTES + 1200);
        write_stream(console, &offset, BYTES);
        assert_bounded();
        assert_stream(console, offset, 2 * BYTES + 1200);
        console_free(console);

        /* with a smaller bound, what is too much goes */
        console = make(BYTES / 2, 2);
        write_text(console, "x");
        assert_true(file_size("c.log") <= BYTES / 2);
        assert_true(file_size("c.log.1") <= BYTES / 2);
        assert_int_equal(file_size("c.log.2"), -1);
        finish(console);
}

/* Someone takes the files away: the ring is left. */
static void test_files_gone(void **state)
{
        Console *console = make(BYTES, FILES);

        write_text(console, "one\ntwo\n");
        assert_int_equal(unlinkat(dirfd_, "c.log", 0), 0);
        assert_tail(console, 0, 100, "one\ntwo\n");
        assert_tail(console, 1, 100, "two\n");
        finish(console);
}

static void test_not_followed(void **state)
{
        _cleanup_close_ int victim = openat(dirfd_, "victim", O_RDWR | O_CREAT | O_CLOEXEC, 0600);
        Console *console = make(BYTES, FILES);

        assert_int_equal(symlinkat("victim", dirfd_, "c.log"), 0);
        write_text(console, "text");
        assert_int_equal(file_size("victim"), 0);
        assert_tail(console, 0, 100, "text");
        finish(console);
        assert_int_equal(unlinkat(dirfd_, "victim", 0), 0);
}

/* The last `size` bytes have times, and what was written before does not. */
static void assert_first_timed(Console *console, size_t size)
{
        _cleanup_(console_snapshot_freep) ConsoleSnapshot *snapshot = console_snapshot(console);
        _cleanup_json_ json_object *shown =
                console_times_show(console_snapshot_times(snapshot), 1 << 20);
        json_object *first = json_object_array_get_idx(shown, 0);

        assert_int_equal(json_member_int(first, "position", -1), (1 << 20) - size);
}

/* A full disk costs nothing but the files, and is caught up with when there is room. */
static void test_full_disk(void **state)
{
        Console *console = NULL;
        _cleanup_free_ char *tail = NULL;
        uint64_t offset = 0;
        size_t size;
        int fd;

        if (!mount_privately("tmpfs", directory, "size=16k,mode=0700")) {
                print_message("needs root: mounts a tiny file system\n");
                skip();
        }
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(console_new(NULL, fd, "c", 1 << 20, FILES, &console), 0);
        for (int i = 0; i < 40; i++) {
                write_stream(console, &offset, 1000);
                assert_stream(console, offset, offset);
        }
        assert_int_equal(mount("test", directory, "tmpfs", MS_REMOUNT, "size=1m,mode=0700"), 0);
        write_stream(console, &offset, 1000);
        console_free(console);
        assert_int_equal(console_new(NULL, fd, "c", 1 << 20, FILES, &console), 0);
        assert_stream(console, offset, offset); /* all of it is in the file */

        /* More than the ring holds: its beginning is lost to the file, its end is right. */
        assert_int_equal(mount("test", directory, "tmpfs", MS_REMOUNT, "size=44k,mode=0700"), 0);
        for (int i = 0; i < 200; i++)
                write_stream(console, &offset, 1000);
        assert_int_equal(console_tail(console, 0, CONSOLE_RING, &tail, &size), 0);
        assert_int_equal(size, CONSOLE_RING);
        for (size_t i = 0; i < size; i++)
                assert_int_equal(tail[i], byte_at(offset - size + i));
        assert_first_timed(console, CONSOLE_RING);
        console_free(console);
        close(fd);
        assert_int_equal(umount2(directory, MNT_DETACH), 0);
}

typedef struct Reader {
        ConsoleFollower follower;
        char text[32];
        struct Reader *lets_go;
        Console *frees;
        Console *joins;
        struct Reader *joined;
} Reader;

static void on_more(void *userdata)
{
        Reader *reader = userdata;
        const char *data;
        ssize_t n = console_unread(&reader->follower, &data);

        assert_true(n > 0);
        strncat(reader->text, data, (size_t)n);
        console_have_read(&reader->follower, (size_t)n);
        if (reader->lets_go)
                console_unfollow(&reader->lets_go->follower);
        if (reader->joins) {
                assert_int_equal(console_follow(reader->joins, &reader->joined->follower), 0);
                reader->joins = NULL;
        }
        console_free(reader->frees);
}

static void test_followers(void **state)
{
        Console *console = make(BYTES, FILES);
        Reader readers[4];

        for (size_t i = 0; i < ARRAY_SIZE(readers); i++)
                readers[i] = (Reader){.follower = {on_more, &readers[i]}};
        for (size_t i = 0; i < 3; i++)
                assert_int_equal(console_follow(console, &readers[i].follower), 0);
        write_text(console, "a");
        readers[2].lets_go = &readers[1]; /* its neighbour */
        readers[0].lets_go = &readers[0]; /* itself */
        write_text(console, "b");
        write_text(console, "c");
        assert_string_equal(readers[0].text, "ab");
        assert_string_equal(readers[2].text, "abc");
        assert_int_equal(strlen(readers[1].text), 1); /* told first or let go first */
        console_unfollow(&readers[1].follower);

        /* one that joins hears what comes after */
        readers[2].joins = console;
        readers[2].joined = &readers[3];
        write_text(console, "d");
        write_text(console, "e");
        assert_string_equal(readers[3].text, "e");
        assert_tail(console, 0, 100, "abcde");

        readers[3].frees = console;
        write_text(console, "f");
        assert_null(readers[2].follower.item.list);
        assert_null(readers[3].follower.item.list);
        finish(make(BYTES, FILES));
}

static void ignore(void *userdata)
{
}

/* All that the follower has not read, which is `size` bytes of the stream up to `offset`. */
static void assert_unread(ConsoleFollower *follower, uint64_t offset, size_t size)
{
        uint64_t at = offset - size;
        const char *data;
        ssize_t n;

        while ((n = console_unread(follower, &data)) > 0) {
                for (ssize_t i = 0; i < n; i++)
                        assert_int_equal(data[i], byte_at(at + (size_t)i));
                console_have_read(follower, (size_t)n);
                at += (size_t)n;
        }
        assert_int_equal(n, 0);
        assert_int_equal(at, offset);
}

/* Each follower reads at its own pace, up to what is kept of the past. */
static void test_slow_followers(void **state)
{
        Console *console = make(BYTES, FILES);
        ConsoleFollower quick = {.more = ignore}, slow = {.more = ignore};
        uint64_t offset = 0;
        const char *data;

        write_stream(console, &offset, 1000);
        assert_int_equal(console_follow(console, &quick), 0);
        assert_int_equal(console_follow(console, &slow), 0);
        assert_unread(&quick, offset, 0); /* nothing of the past */
        write_stream(console, &offset, BACKLOG_SIZE - 10);
        assert_unread(&quick, offset, BACKLOG_SIZE - 10);
        write_stream(console, &offset, 10);
        assert_unread(&quick, offset, 10);
        assert_unread(&slow, offset, BACKLOG_SIZE); /* around the end of the backlog */

        write_stream(console, &offset, BACKLOG_SIZE / 2);
        assert_unread(&quick, offset, BACKLOG_SIZE / 2);
        write_stream(console, &offset, BACKLOG_SIZE / 2 + 1);
        assert_int_equal(console_unread(&slow, &data), -ENODATA);
        assert_unread(&quick, offset, BACKLOG_SIZE / 2 + 1);
        write_stream(console, &offset, 100);
        assert_unread(&slow, offset, 100);
        console_unfollow(&quick);
        assert_int_equal(console_unread(&quick, &data), 0);
        finish(console);
        assert_null(slow.item.list);
}

/* A disk that answers when it is let. */
typedef struct Disk {
        DiskJob job;
        sem_t answers;
        TestLoop test;
} Disk;

static void on_disk(DiskJob *job)
{
        sem_wait(&container_of(job, Disk, job)->answers);
}

static void on_disk_answered(DiskJob *job)
{
}

static void disk_init(Disk *disk)
{
        test_loop_init(&disk->test);
        sem_init(&disk->answers, 0, 0);
        queue = disk_queue_new(&disk->test.loop);
        disk_queue_add(queue, &disk->job, on_disk, on_disk_answered);
}

static void disk_let(Disk *disk)
{
        sem_post(&disk->answers);
        test_loop_until(&disk->test, disk_queue_is_idle(queue));
}

static void disk_done(Disk *disk)
{
        test_loop_finish(&disk->test);
        queue = disk_queue_free(queue);
        sem_destroy(&disk->answers);
}

/* While the disk does not answer, what is written and read waits for nobody; then the files have
 * all of it. */
static void test_late_disk(void **state)
{
        Console *console;
        uint64_t offset = 0;
        Disk disk;

        disk_init(&disk);
        console = make(1 << 20, FILES);
        for (int i = 0; i < 20; i++)
                write_stream(console, &offset, 20000);
        assert_int_equal(file_size("c.log"), -1);
        assert_int_equal(console_unsaved(console), offset);
        assert_stream(console, offset, offset);
        disk_let(&disk);
        assert_int_equal(console_unsaved(console), 0);
        assert_int_equal(file_size("c.log"), offset);
        assert_stream(console, offset, offset);
        finish(console);
        test_loop_until(&disk.test, disk_queue_is_idle(queue));
        assert_int_equal(file_size("c.log"), -1);
        disk_done(&disk);
}

/* A reader takes what was there when it asked, whatever was saved since: no byte twice, none
 * missing. */
static void test_snapshot_of_the_past(void **state)
{
        _cleanup_(console_snapshot_freep) ConsoleSnapshot *snapshot = NULL;
        _cleanup_free_ char *tail = NULL;
        uint64_t offset = 0, then;
        Console *console;
        size_t size;
        Disk disk;

        disk_init(&disk);
        console = make(1 << 20, FILES);
        write_stream(console, &offset, 50000);
        snapshot = console_snapshot(console);
        then = offset;
        write_stream(console, &offset, 30000);
        disk_let(&disk);
        assert_int_equal(file_size("c.log"), offset);
        assert_int_equal(console_snapshot_tail(snapshot, 0, 0, SIZE_MAX, &tail, &size), 0);
        assert_int_equal(size, then);
        for (size_t i = 0; i < size; i++)
                assert_int_equal(tail[i], byte_at(i));
        finish(console);
        disk_done(&disk);
}

/* The guest is slowed down, then what is oldest is lost; the end is right all the same. */
static void test_silent_disk(void **state)
{
        char piece[32768] = {};
        uint64_t offset = 0;
        unsigned longest = 0;
        Console *console;
        Disk disk;

        disk_init(&disk);
        console = make(4 << 20, FILES);
        for (int i = 0; i < 100; i++) {
                unsigned pause;

                for (size_t at = 0; at < sizeof(piece); at++)
                        piece[at] = byte_at(offset + at);
                pause = console_write(console, piece, sizeof(piece));
                offset += sizeof(piece);
                assert_true(pause >= longest && pause <= 256);
                assert_true(pause > 0 || offset <= CONSOLE_QUEUE / 2);
                longest = pause;
        }
        assert_int_equal(longest, 256);
        assert_int_equal(console_unsaved(console), CONSOLE_QUEUE);
        disk_let(&disk);
        assert_int_equal(console_unsaved(console), 0);
        assert_in_range(file_size("c.log"), CONSOLE_QUEUE, CONSOLE_QUEUE + 262144);
        assert_int_equal(console_write(console, "x", 1), 0);
        console_free(console);
        test_loop_until(&disk.test, disk_queue_is_idle(queue));
        finish(make(BYTES, FILES));
        disk_done(&disk);
}

#define CONSOLES 24u

/* Of one user's consoles no more waits for the disk than the user may have; another user has all of
 * that for itself. */
static void test_consoles_of_one_user(void **state)
{
        Ledger *ledger = ledger_new("consoles");
        Console *consoles[CONSOLES + 1];
        char piece[32768] = {};
        unsigned pause = 0;
        Disk disk;

        disk_init(&disk);
        for (unsigned i = 0; i <= CONSOLES; i++) {
                _cleanup_free_ char *name = text_format("c%u", i);

                assert_int_equal(console_new(queue, dirfd_, name, 1 << 20, FILES, &consoles[i]), 0);
                console_count_to(consoles[i], ledger, i < CONSOLES ? 1 : 2);
                for (size_t written = 0; written < CONSOLE_QUEUE; written += sizeof(piece))
                        pause = console_write(consoles[i], piece, sizeof(piece));
                /* the worker has the first piece of each */
                assert_in_range(ledger_used(ledger, 1), 0,
                                CONSOLE_QUEUES + CONSOLES * sizeof(piece));
                assert_true(pause > 100);
        }
        assert_int_equal(console_unsaved(consoles[0]), CONSOLE_QUEUE);
        assert_int_equal(console_unsaved(consoles[CONSOLES - 1]), CONSOLE_RING);
        assert_int_equal(console_unsaved(consoles[CONSOLES]), CONSOLE_QUEUE);
        assert_int_equal(ledger_used(ledger, 2), CONSOLE_QUEUE - CONSOLE_RING + sizeof(piece));
        disk_let(&disk);
        assert_int_equal(ledger_used(ledger, 1), 0);
        assert_int_equal(ledger_used(ledger, 2), 0);
        for (unsigned i = 0; i <= CONSOLES; i++)
                finish(consoles[i]);
        test_loop_until(&disk.test, disk_queue_is_idle(queue));
        disk_done(&disk);
        ledger_free(ledger);
}

/* Who waits for a log has a copy of what is not in the files, which is counted as well; and of
 * what is, no more than CONSOLE_RING. */
static void test_snapshots_are_counted(void **state)
{
        Ledger *ledger = ledger_new("consoles");
        ConsoleSnapshot *snapshot;
        uint64_t offset = 0, used;
        Console *console;
        Disk disk;

        disk_init(&disk);
        console = make(4 << 20, FILES);
        console_count_to(console, ledger, 1);
        write_stream(console, &offset, 500000);
        used = ledger_used(ledger, 1);
        snapshot = console_snapshot(console);
        assert_int_equal(ledger_used(ledger, 1), used + offset - CONSOLE_RING);
        console_snapshot_free(snapshot);
        assert_int_equal(ledger_used(ledger, 1), used);
        disk_let(&disk);
        console_snapshot_free(console_snapshot(console));
        assert_int_equal(ledger_used(ledger, 1), 0);
        finish(console);
        test_loop_until(&disk.test, disk_queue_is_idle(queue));
        disk_done(&disk);
        ledger_free(ledger);
}

static void test_removal_gives_up_what_waits(void **state)
{
        Ledger *ledger = ledger_new("consoles");
        uint64_t offset = 0;
        Console *console;
        Disk disk;

        disk_init(&disk);
        console = make(4 << 20, FILES);
        console_count_to(console, ledger, 1);
        write_stream(console, &offset, 500000);
        assert_true(ledger_used(ledger, 1) > 500000);
        assert_int_equal(console_remove(console), 0);
        assert_int_equal(ledger_used(ledger, 1), 0); /* the disk has not answered */
        write_stream(console, &offset, 500000);
        assert_int_equal(ledger_used(ledger, 1), 0);
        console_free(console);
        disk_let(&disk);
        assert_int_equal(file_size("c.log"), -1);
        disk_done(&disk);
        ledger_free(ledger);
}

/* What is left when a console is freed is written first, then removed if it is to be; who comes
 * after has nothing of it. */
static void test_order(void **state)
{
        Console *console;
        Disk disk;

        disk_init(&disk);
        console = make(BYTES, FILES);
        write_text(console, "first\n");
        console_free(console);
        console = make(BYTES, FILES);
        write_text(console, "second\n");
        disk_let(&disk);
        assert_tail(console, 0, 100, "first\nsecond\n");
        disk_queue_add(queue, &disk.job, on_disk, on_disk_answered);
        write_text(console, "third\n");
        finish(console);
        console = make(BYTES, FILES);
        write_text(console, "fourth\n");
        disk_let(&disk);
        assert_tail(console, 0, 100, "fourth\n");
        assert_int_equal(file_size("c.log"), strlen("fourth\n"));
        disk_queue_add(queue, &disk.job, on_disk, on_disk_answered);
        assert_int_equal(console_clear(console), 0);
        assert_tail(console, 0, 100, ""); /* at once, although the files are still there */
        write_text(console, "fifth\n");
        assert_tail(console, 0, 100, "fifth\n");
        disk_let(&disk);
        assert_tail(console, 0, 100, "fifth\n");
        assert_int_equal(file_size("c.log"), strlen("fifth\n"));
        finish(console);
        disk_done(&disk);
}

/* Closing a file may wait for the disk, too, so the queue does it. */
static void test_closing_waits_for_nobody(void **state)
{
        Disk disk;
        size_t n;

        for (int unsaved = 0; unsaved < 2; unsaved++) {
                Console *console;

                disk_init(&disk);
                console = make(BYTES, FILES);
                write_text(console, "text");
                disk_let(&disk);
                n = test_count_fds();
                disk_queue_add(queue, &disk.job, on_disk, on_disk_answered);
                if (unsaved)
                        write_text(console, "last");
                console_free(console);
                assert_int_equal(test_count_fds(), n);
                disk_let(&disk);
                assert_int_equal(test_count_fds(), n - 1);
                finish(make(BYTES, FILES));
                test_loop_until(&disk.test, disk_queue_is_idle(queue));
                disk_done(&disk);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_lines),
                leaks_unit_test(test_private),
                leaks_unit_test(test_flood),
                leaks_unit_test(test_one_file),
                leaks_unit_test(test_reopen),
                leaks_unit_test(test_files_gone),
                leaks_unit_test(test_not_followed),
                leaks_unit_test(test_full_disk),
                leaks_unit_test(test_followers),
                leaks_unit_test(test_slow_followers),
                leaks_unit_test(test_late_disk),
                leaks_unit_test(test_snapshot_of_the_past),
                leaks_unit_test(test_silent_disk),
                leaks_unit_test(test_consoles_of_one_user),
                leaks_unit_test(test_snapshots_are_counted),
                leaks_unit_test(test_removal_gives_up_what_waits),
                leaks_unit_test(test_order),
                leaks_unit_test(test_closing_waits_for_nobody),
        };

        return cmocka_run_group_tests(tests, setup, teardown);
}
