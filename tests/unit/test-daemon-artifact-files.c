/* SPDX-License-Identifier: Apache-2.0 */
/* Files of artifacts: their bytes and modes, how long they stay, many writers of one. */
#include "test.h"

#include <pthread.h>
#include <sys/stat.h>

#include "base/text.h"
#include "directory.h"
#include "leaks.h"
#include "local/artifact_files.h"

#define SIZE (3u << 20)

typedef struct Room {
        char *directory;
        int fd;
        ArtifactFiles *files;
        Artifact artifact;
        char *name, *path;
} Room;

static void room_init(Room *room)
{
        char *bytes = malloc(SIZE);

        assert_non_null(bytes);
        for (size_t i = 0; i < SIZE; i++)
                bytes[i] = (char)(i * 31);
        *room = (Room){.directory = directory_make()};
        room->fd = open(room->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(artifact_files_new(room->fd, getegid(), &room->files), 0);
        room->artifact = (Artifact){.name = (char *)"kernel", .size = SIZE};
        room->artifact.fd = open(room->directory, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
        assert_int_equal(write(room->artifact.fd, bytes, SIZE), SIZE);
        assert_int_equal(hash_pair_bytes(bytes, SIZE, &room->artifact.digest), 0);
        room->name = text_hex(room->artifact.digest.sha256, SHA256_SIZE);
        assert_true(asprintf(&room->path, "artifacts/%s", room->name) > 0);
        free(bytes);
}

static void room_done(Room *room)
{
        artifact_files_free(room->files);
        close(room->artifact.fd);
        close(room->fd);
        free(room->name);
        free(room->path);
        directory_remove(&room->directory);
}

static bool is_there(const Room *room)
{
        return faccessat(room->fd, room->path, F_OK, 0) == 0;
}

static void put(Room *room)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(artifact_files_put(room->files, &room->artifact, &error), 0);
}

static void test_stays_as_long_as_it_is_held(void **state)
{
        _cleanup_(room_done) Room room;
        _cleanup_free_ char *data = NULL;
        HashPairDigest digest;
        struct stat st;
        size_t size;

        room_init(&room);
        put(&room);
        put(&room);
        assert_int_equal(fstatat(room.fd, room.path, &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0440);
        assert_int_equal(st.st_uid, geteuid());
        assert_int_equal(fstatat(room.fd, "artifacts", &st, 0), 0);
        assert_int_equal(st.st_mode & 07777, 0710);
        assert_int_equal(file_read_at(room.fd, room.path, SIZE + 1, &data, &size), 0);
        assert_int_equal(hash_pair_bytes(data, size, &digest), 0);
        assert_memory_equal(digest.sha256, room.artifact.digest.sha256, SHA256_SIZE);
        artifact_files_drop(room.files, room.name);
        assert_true(is_there(&room));
        artifact_files_drop(room.files, room.name);
        assert_false(is_there(&room));
}

static void test_wrong_bytes_are_refused(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(room_done) Room room;

        room_init(&room);
        assert_int_equal(pwrite(room.artifact.fd, "x", 1, SIZE / 2), 1);
        assert_int_equal(artifact_files_put(room.files, &room.artifact, &error), -EBADMSG);
        assert_false(is_there(&room));
        /* and it is as if it had never been tried */
        assert_int_equal(artifact_files_clean(room.files), 0);
        assert_int_equal(unlinkat(room.fd, "artifacts", AT_REMOVEDIR), 0);
}

static void test_next_daemon(void **state)
{
        _cleanup_(room_done) Room room;

        room_init(&room);
        put(&room);
        artifact_files_free(room.files);
        assert_int_equal(artifact_files_new(room.fd, getegid(), &room.files), 0);
        assert_true(is_there(&room));
        assert_int_equal(artifact_files_hold(room.files, room.name), 0);
        assert_int_equal(artifact_files_clean(room.files), 0);
        assert_true(is_there(&room));
        artifact_files_drop(room.files, room.name);
        assert_false(is_there(&room));
        /* after the host was restarted */
        assert_int_equal(artifact_files_hold(room.files, room.name), -ENOENT);

        put(&room);
        artifact_files_free(room.files);
        close(openat(room.fd, "artifacts/part.new", O_CREAT | O_WRONLY | O_CLOEXEC, 0600));
        assert_int_equal(artifact_files_new(room.fd, getegid(), &room.files), 0);
        assert_int_equal(artifact_files_clean(room.files), 0);
        assert_int_equal(unlinkat(room.fd, "artifacts", AT_REMOVEDIR), 0);
}

static void *put_many(void *userdata)
{
        for (size_t i = 0; i < 20; i++) {
                Room *room = userdata;

                put(room);
                if (!is_there(room))
                        return (void *)"it is not there";
                artifact_files_drop(room->files, room->name);
        }
        return NULL;
}

static void test_many_at_once(void **state)
{
        _cleanup_(room_done) Room room;
        pthread_t threads[4];

        room_init(&room);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, put_many, &room), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                void *result;

                assert_int_equal(pthread_join(threads[i], &result), 0);
                assert_null(result);
        }
        assert_false(is_there(&room));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_stays_as_long_as_it_is_held),
                cmocka_unit_test(test_wrong_bytes_are_refused),
                cmocka_unit_test(test_next_daemon),
                cmocka_unit_test(test_many_at_once),
        };

        return cmocka_run_group_tests(tests, leaks_setup, leaks_teardown);
}
