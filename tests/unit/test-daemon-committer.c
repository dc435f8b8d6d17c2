/* SPDX-License-Identifier: Apache-2.0 */

/* Files that are there at once, and on disk together. fsync(2) is this program's own: it counts,
 * waits and fails as a test says. */

#include "test.h"

#include <semaphore.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "directory.h"
#include "local/committer.h"
#include "loop.h"

static struct {
        unsigned n_files, n_directories; /* that were synced */
        bool holds;                      /* each sync of a file waits for `go` */
        sem_t go;
        bool waits;
        int error; /* of a file's */
} disk;

int fsync(int fd)
{
        struct stat st;

        if (fstat(fd, &st) < 0)
                return -1;
        if (S_ISDIR(st.st_mode)) {
                __atomic_add_fetch(&disk.n_directories, 1, __ATOMIC_SEQ_CST);
                return 0;
        }
        __atomic_add_fetch(&disk.n_files, 1, __ATOMIC_SEQ_CST);
        if (__atomic_load_n(&disk.holds, __ATOMIC_SEQ_CST)) {
                __atomic_store_n(&disk.waits, true, __ATOMIC_SEQ_CST);
                sem_wait(&disk.go);
        }
        errno = disk.error;
        return disk.error ? -1 : 0;
}

typedef struct Room {
        TestLoop loop;
        char *path;
        int dirfd;
        Committer *committer;
        struct {
                CommitWait wait;
                unsigned n_done;
                int r;
        } waits[3];
} Room;

static Room *room_new(void)
{
        Room *room = calloc(1, sizeof(*room));

        room->path = directory_make();
        test_loop_init(&room->loop);
        room->dirfd = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        room->committer = committer_new(&room->loop.loop, room->dirfd);
        memset(&disk, 0, sizeof(disk));
        assert_int_equal(sem_init(&disk.go, 0, 0), 0);
        return room;
}

static void room_free(Room *room)
{
        while (uv_loop_alive(&room->loop.loop))
                test_loop_turn(&room->loop);
        committer_free(room->committer);
        close(room->dirfd);
        test_loop_finish(&room->loop);
        directory_remove(&room->path);
        free(room);
}

static void hold(void)
{
        disk.waits = false;
        __atomic_store_n(&disk.holds, true, __ATOMIC_SEQ_CST);
}

static void let_go(void)
{
        __atomic_store_n(&disk.holds, false, __ATOMIC_SEQ_CST);
        sem_post(&disk.go);
}

static void put(Room *room, const char *name, const char *text)
{
        assert_int_equal(committer_write(room->committer, name, text, strlen(text)), 0);
}

/* NULL: there is none. */
static void expect(const Room *room, const char *name, const char *text)
{
        _cleanup_free_ char *data = NULL;
        size_t size;
        int r = file_read_at(room->dirfd, name, 100, &data, &size);

        if (!text) {
                assert_int_equal(r, -ENOENT);
                return;
        }
        assert_int_equal(r, 0);
        assert_string_equal(data, text);
}

static void on_done(CommitWait *wait, int r)
{
        typeof(((Room *)NULL)->waits[0]) *one = container_of(wait, typeof(*one), wait);

        one->n_done++;
        one->r = r;
}

static int wait_for(Room *room, int i, const char *name)
{
        room->waits[i].n_done = 0;
        return committer_wait(room->committer, name, &room->waits[i].wait, on_done);
}

static void wait_until_idle(Room *room)
{
        while (uv_loop_alive(&room->loop.loop))
                test_loop_turn(&room->loop);
}

static void test_there_at_once(void **state)
{
        Room *room = room_new();
        struct stat st;

        assert_int_equal(wait_for(room, 0, "a"), 0);
        hold();
        put(room, "a", "one");
        expect(room, "a", "one");
        assert_int_equal(fstatat(room->dirfd, "a", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0600);
        assert_int_equal(wait_for(room, 0, "a"), 1);
        test_loop_for(&room->loop, 10);
        assert_int_equal(room->waits[0].n_done, 0);
        let_go();
        test_loop_until(&room->loop, room->waits[0].n_done == 1);
        assert_int_equal(room->waits[0].r, 0);
        assert_int_equal(wait_for(room, 0, "a"), 0);
        expect(room, ".a.kept", NULL);
        expect(room, ".a.sync", NULL);
        room_free(room);
}

/* What is written while a worker syncs is on disk with the next one, each file once. */
static void test_together(void **state)
{
        Room *room = room_new();

        hold();
        put(room, "a", "one");
        test_loop_until(&room->loop, __atomic_load_n(&disk.waits, __ATOMIC_SEQ_CST));
        for (int i = 0; i < 3; i++) {
                put(room, "b", i == 2 ? "b3" : "b");
                put(room, "c", i == 2 ? "c3" : "c");
        }
        assert_int_equal(wait_for(room, 0, "a"), 1);
        assert_int_equal(wait_for(room, 1, "b"), 1);
        assert_int_equal(wait_for(room, 2, "c"), 1);
        assert_int_equal(disk.n_files, 1);
        let_go();
        test_loop_until(&room->loop, room->waits[1].n_done && room->waits[2].n_done);
        assert_int_equal(room->waits[0].n_done, 1);
        assert_int_equal(disk.n_files, 3);
        assert_int_equal(disk.n_directories, 2);
        expect(room, "b", "b3");
        expect(room, "c", "c3");
        room_free(room);
}

/* The versions that are on disk outlive those that are not: what a crash of the host leaves. */
static void test_kept(void **state)
{
        Room *room = room_new();

        put(room, "a", "one");
        wait_until_idle(room);
        hold();
        put(room, "a", "two");
        put(room, "a", "three"); /* two was nowhere yet, the worker had it at most */
        test_loop_until(&room->loop, __atomic_load_n(&disk.waits, __ATOMIC_SEQ_CST));
        put(room, "a", "four");
        expect(room, "a", "four");
        expect(room, ".a.kept", "one");
        assert_true(committer_is_kept(".a.kept") && committer_is_kept(".a.sync"));
        assert_false(committer_is_kept("a.kept") || committer_is_kept(".a.new"));

        assert_int_equal(wait_for(room, 0, "a"), 1);
        sem_post(&disk.go); /* the first is on disk, the next one waits */
        test_loop_until(&room->loop, disk.n_files == 3);
        assert_int_equal(room->waits[0].n_done, 0);
        expect(room, "a", "four");
        expect(room, ".a.kept", "two");
        let_go();
        test_loop_until(&room->loop, room->waits[0].n_done == 1);
        expect(room, ".a.kept", NULL);
        expect(room, ".a.sync", NULL);
        room_free(room);
}

static void test_restore(void **state)
{
        Room *room = room_new();

        assert_int_equal(file_write_atomic_at(room->dirfd, "a", "torn", 4, 0600), 0);
        assert_int_equal(file_write_atomic_at(room->dirfd, ".a.sync", "sync", 4, 0600), 0);
        assert_int_equal(file_write_atomic_at(room->dirfd, ".a.kept", "kept", 4, 0600), 0);
        assert_int_equal(committer_restore(room->committer, "a"), 1);
        expect(room, "a", "sync");
        assert_int_equal(committer_restore(room->committer, "a"), 1);
        expect(room, "a", "kept");
        assert_int_equal(committer_restore(room->committer, "a"), 0);

        /* a whole one is committed before what is kept goes */
        assert_int_equal(file_write_atomic_at(room->dirfd, ".a.kept", "older", 5, 0600), 0);
        hold();
        assert_int_equal(committer_adopt(room->committer, "a"), 0);
        assert_int_equal(wait_for(room, 0, "a"), 1);
        expect(room, ".a.kept", "older");
        let_go();
        test_loop_until(&room->loop, room->waits[0].n_done == 1);
        expect(room, "a", "kept");
        expect(room, ".a.kept", NULL);
        assert_int_equal(committer_adopt(room->committer, "a"), 0); /* nothing to do */
        assert_int_equal(wait_for(room, 0, "a"), 0);

        /* it cannot be opened: whoever is told of that can say so */
        assert_int_equal(file_write_atomic_at(room->dirfd, ".b.kept", "older", 5, 0600), 0);
        assert_int_equal(symlinkat("a", room->dirfd, "b"), 0);
        assert_int_equal(committer_adopt(room->committer, "b"), -ELOOP);
        expect(room, ".b.kept", "older");
        assert_int_equal(unlinkat(room->dirfd, "b", 0), 0);
        assert_int_equal(unlinkat(room->dirfd, ".b.kept", 0), 0);
        room_free(room);
}

static void test_failure(void **state)
{
        Room *room = room_new();

        put(room, "a", "one");
        wait_until_idle(room);
        disk.error = EIO;
        put(room, "a", "two");
        assert_int_equal(wait_for(room, 0, "a"), 1);
        test_loop_until(&room->loop, room->waits[0].n_done == 1);
        assert_int_equal(room->waits[0].r, -EIO);
        assert_int_equal(wait_for(room, 0, "a"), -EIO);
        expect(room, "a", "two");
        expect(room, ".a.kept", "one");
        put(room, "a", "three"); /* the one that is on disk stays */
        wait_until_idle(room);
        expect(room, ".a.kept", "one");
        disk.error = 0;
        put(room, "a", "four");
        wait_until_idle(room);
        assert_int_equal(wait_for(room, 0, "a"), 0);
        expect(room, ".a.kept", NULL);

        close(TAKE_FD(room->dirfd)); /* no directory: as when the disk is full */
        assert_int_equal(committer_write(room->committer, "a", "x", 1), -EBADF);
        room->dirfd = open(room->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        expect(room, "a", "four");
        room_free(room);
}

static void test_remove(void **state)
{
        Room *room = room_new();
        int others[8];

        put(room, "a", "one");
        wait_until_idle(room);
        hold();
        put(room, "a", "two");
        test_loop_until(&room->loop, __atomic_load_n(&disk.waits, __ATOMIC_SEQ_CST));
        put(room, "a", "three");
        assert_int_equal(wait_for(room, 0, "a"), 1);
        assert_int_equal(wait_for(room, 1, "a"), 1);
        commit_wait_cancel(&room->waits[1].wait);
        commit_wait_cancel(&room->waits[1].wait);
        assert_int_equal(committer_remove(room->committer, "a"), 0);
        assert_int_equal(room->waits[0].n_done, 1);
        assert_int_equal(room->waits[0].r, 0);
        assert_int_equal(room->waits[1].n_done, 0);
        for (size_t i = 0; i < ARRAY_SIZE(others); i++) /* the number that its file had */
                others[i] = dup(room->dirfd);
        let_go();
        wait_until_idle(room);
        for (size_t i = 0; i < ARRAY_SIZE(others); i++)
                assert_int_equal(close(others[i]), 0);
        expect(room, "a", NULL);
        expect(room, ".a.kept", NULL);
        expect(room, ".a.sync", NULL);
        assert_int_equal(committer_remove(room->committer, "a"), 0);
        put(room, "a", "again");
        wait_until_idle(room);
        expect(room, "a", "again");
        room_free(room);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_there_at_once), cmocka_unit_test(test_together),
                cmocka_unit_test(test_kept),          cmocka_unit_test(test_restore),
                cmocka_unit_test(test_failure),       cmocka_unit_test(test_remove),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
