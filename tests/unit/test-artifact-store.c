/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>

#include "artifact/embedded.h"
#include "artifacts.h"
#include "base/json.h"
#include "leaks.h"

/* Pages of [start, end) that are in this process's memory (bit 63 of /proc/PID/pagemap). */
static size_t count_resident(const uint8_t *start, const uint8_t *end)
{
        _cleanup_close_ int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);
        size_t page = (size_t)sysconf(_SC_PAGESIZE), n = 0;

        assert_true(fd >= 0);
        for (uintptr_t at = (uintptr_t)start; at < (uintptr_t)end; at += page) {
                uint64_t entry;

                assert_int_equal(pread(fd, &entry, 8, (off_t)(at / page * 8)), 8);
                n += entry >> 63;
        }
        return n;
}

static int get_own(ArtifactStore *store, SpecArtifactKind kind, const char *name, Artifact **ret,
                   CvmError *error)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        int r = artifact_store_find_own(store, kind, name, &artifact, error);

        if (r < 0)
                return r;
        r = artifact_prepare(artifact, error);
        if (r < 0)
                return r;
        *ret = TAKE_PTR(artifact);
        return 0;
}

static void test_embedded(void **state)
{
        const EmbeddedArtifact *embedded = &embedded_artifacts[0];
        size_t size = (size_t)(embedded->end - embedded->start);
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(artifact_unrefp) Artifact *a = NULL, *b = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        HashPairDigest digest;

        assert_int_equal((uintptr_t)embedded->start % 4096, 0);
        assert_int_equal(artifact_store_new(embedded_artifacts, &store), 0);
        assert_int_equal(
                artifact_store_find_own(store, ARTIFACT_INITRAMFS, "test-cpio", &a, &error), 0);
        assert_int_equal(a->fd, -1);
        assert_int_equal(a->size, size);
        assert_int_equal(artifact_prepare(a, &error), 0);
        assert_true(a->fd >= 0);
        /* A fault nearby may map some of its neighbours again (fault-around, 64 KiB). */
        assert_in_range(count_resident(embedded->start, embedded->end), 0, 32);

        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, a->fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_memory_equal(map, embedded->start, size);
        assert_int_equal(hash_pair_bytes(map, size, &digest), 0);
        munmap(map, size);
        assert_memory_equal(&digest, &a->digest, sizeof(digest));
        assert_int_equal(pwrite(a->fd, "x", 1, 0), -1);
        assert_int_equal(ftruncate(a->fd, 0), -1);

        assert_int_equal(get_own(store, ARTIFACT_INITRAMFS, "test-cpio", &b, &error), 0);
        assert_ptr_equal(a, b);
}

static void test_no_such(void **state)
{
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        Artifact *a = NULL;

        assert_int_equal(artifact_store_new(embedded_artifacts, &store), 0);
        assert_int_equal(get_own(store, ARTIFACT_INITRAMFS, "other", &a, &error), -EBADMSG);
        assert_artifact_error(&error, "available: test-cpio, test-short");
        assert_int_equal(get_own(store, ARTIFACT_KERNEL, "test-cpio", &a, &error), -EBADMSG);
        assert_artifact_error(&error, "available: none");
        assert_null(a);
}

/* Specs that name what release 0.1 embedded for confidential platforms. */
static void test_former_names(void **state)
{
        EmbeddedArtifact table[2] = {embedded_artifacts[0]};
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(artifact_unrefp) Artifact *a = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};

        table[0].name = "initramfs-debug";
        assert_int_equal(artifact_store_new(table, &store), 0);
        assert_int_equal(artifact_store_find_own(store, ARTIFACT_INITRAMFS,
                                                 "initramfs-confidential-debug", &a, &error),
                         0);
        assert_string_equal(a->name, "initramfs-debug");
        assert_int_equal(artifact_store_find_own(store, ARTIFACT_INITRAMFS,
                                                 "initramfs-confidential", &a, &error),
                         -EBADMSG);
        assert_artifact_error(&error, "available: initramfs-debug");
}

/* What the build computed and what is there differ: a damaged executable. */
static void test_damaged(void **state)
{
        EmbeddedArtifact table[2] = {embedded_artifacts[0]};
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        Artifact *a = NULL;

        table[0].digest.sha384[47] ^= 1;
        assert_int_equal(artifact_store_new(table, &store), 0);
        assert_int_equal(get_own(store, ARTIFACT_INITRAMFS, "test-cpio", &a, &error), -EBADMSG);
        assert_null(a);
        assert_artifact_error(&error, "the one of the file that the build embedded");
}

/* A file that the build took though it is not of its kind. */
static void test_wrong_kind(void **state)
{
        EmbeddedArtifact table[2] = {embedded_artifacts[0]};
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        Artifact *a = NULL;

        table[0].kind = ARTIFACT_KERNEL;
        assert_int_equal(artifact_store_new(table, &store), 0);
        assert_int_equal(get_own(store, ARTIFACT_KERNEL, "test-cpio", &a, &error), -EBADMSG);
        assert_artifact_error(&error, "not a bzImage");
}

static Artifact *load(SpecArtifactKind kind, const char *name, const void *data, size_t size)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_close_ int fd = make_file(data, size);
        Artifact *artifact = NULL;

        assert_int_equal(artifact_load(kind, name, fd, NULL, &artifact, &error), 0);
        return artifact;
}

static void test_share(void **state)
{
        static const EmbeddedArtifact none[] = {{}};
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        uint8_t data[BZIMAGE_SIZE];
        Artifact *a, *b, *c, *d;
        int fd;

        make_bzimage(data);
        assert_int_equal(artifact_store_new(none, &store), 0);
        a = artifact_store_add(store, load(ARTIFACT_KERNEL, "a", data, sizeof(data)));
        b = artifact_store_add(store, load(ARTIFACT_KERNEL, "b", data, sizeof(data)));
        assert_ptr_equal(a, b);
        c = artifact_store_add(store, load(ARTIFACT_FIRMWARE, "c", data, sizeof(data)));
        assert_ptr_not_equal(a, c);
        data[6000] = 1;
        d = artifact_store_add(store, load(ARTIFACT_KERNEL, "d", data, sizeof(data)));
        assert_ptr_not_equal(a, d);

        fd = a->fd;
        artifact_unref(a);
        assert_true(fcntl(fd, F_GETFD) >= 0);
        artifact_unref(b);
        assert_int_equal(fcntl(fd, F_GETFD), -1); /* with its last user */
        _cleanup_json_ json_object *list = artifact_store_to_json(store);
        assert_int_equal(json_object_array_length(list), 2);

        /* one that outlives the store */
        artifact_unref(c);
        store = artifact_store_free(store);
        assert_null(d->store);
        artifact_unref(d);
}

/* A file equal to an embedded one is that one. */
static void test_share_embedded(void **state)
{
        const EmbeddedArtifact *embedded = &embedded_artifacts[0];
        size_t size = (size_t)(embedded->end - embedded->start);
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(artifact_unrefp) Artifact *a = NULL, *b = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        int fd;

        assert_int_equal(artifact_store_new(embedded_artifacts, &store), 0);
        a = artifact_store_add(store, load(ARTIFACT_INITRAMFS, "f", embedded->start, size));
        assert_ptr_equal(a->embedded, embedded);
        fd = a->fd;
        assert_true(fd >= 0);
        assert_int_equal(artifact_prepare(a, &error), 0);
        assert_int_equal(a->fd, fd);
        b = artifact_store_add(store, load(ARTIFACT_INITRAMFS, "g", embedded->start, size));
        assert_ptr_equal(a, b);
        assert_int_equal(a->fd, fd);
}

static unsigned n_faults;

static void on_fault(const CvmError *error)
{
        assert_int_equal(error->id, CVM_ERROR_ARTIFACT_INVALID);
        n_faults++;
}

static void write_file(int directory, const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = openat(directory, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
}

/* What is installed has a name as what is embedded has, which comes first. */
static void test_installed(void **state)
{
        static const EmbeddedArtifact none[] = {{}};
        const EmbeddedArtifact mine[] = {
                {"kernel", embedded_artifacts[0].kind, embedded_artifacts[0].start,
                 embedded_artifacts[0].end, embedded_artifacts[0].digest},
                {},
        };
        char directory[] = "/tmp/test-installed-XXXXXX";
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL, *other = NULL;
        _cleanup_(artifact_unrefp) Artifact *a = NULL, *b = NULL, *c = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_close_ int fd = -1;
        uint8_t data[BZIMAGE_SIZE];

        make_bzimage(data);
        assert_non_null(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        write_file(fd, "kernel", data, sizeof(data));
        write_file(fd, "initramfs", "not one", 7);
        write_file(fd, "else", data, sizeof(data));
        n_faults = 0;
        assert_int_equal(artifact_store_new(none, &store), 0);
        assert_int_equal(artifact_store_install(store, "/nonexistent", on_fault), 0);
        assert_int_equal(artifact_store_install(store, directory, on_fault), 0);
        assert_int_equal(n_faults, 1); /* the initramfs */
        assert_int_equal(get_own(store, ARTIFACT_KERNEL, "kernel", &a, &error), 0);
        assert_true(a->fd >= 0 && artifact_is_own(a) && !a->embedded);
        b = artifact_store_add(store, load(ARTIFACT_KERNEL, "f", data, sizeof(data)));
        assert_ptr_equal(a, b);
        assert_int_equal(get_own(store, ARTIFACT_KERNEL, "else", &c, &error), -EBADMSG);
        assert_artifact_error(&error, "available: kernel");
        _cleanup_json_ json_object *list = artifact_store_to_json(store);
        assert_int_equal(json_object_array_length(list), 1);
        assert_string_equal(json_member_string(json_object_array_get_idx(list, 0), "origin"),
                            "installed");
        assert_int_equal(json_member_int(json_object_array_get_idx(list, 0), "users", -1), 2);

        assert_int_equal(artifact_store_new(mine, &other), 0);
        assert_int_equal(artifact_store_install(other, directory, on_fault), 0);
        _cleanup_json_ json_object *embedded = artifact_store_to_json(other);
        assert_int_equal(json_object_array_length(embedded), 1);
        assert_string_equal(json_member_string(json_object_array_get_idx(embedded, 0), "origin"),
                            "embedded");
        for (size_t i = 0; i < 3; i++)
                unlinkat(fd, (const char *[]){"kernel", "initramfs", "else"}[i], 0);
        rmdir(directory);
}

static void assert_member(json_object *list, size_t index, const char *key, const char *value)
{
        assert_string_equal(json_member_string(json_object_array_get_idx(list, index), key), value);
}

static void test_json(void **state)
{
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(artifact_unrefp) Artifact *a = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        uint8_t data[BZIMAGE_SIZE];

        make_bzimage(data);
        assert_int_equal(artifact_store_new(embedded_artifacts, &store), 0);
        a = artifact_store_add(store, load(ARTIFACT_KERNEL, "bad\xff", data, sizeof(data)));
        _cleanup_json_ json_object *list = artifact_store_to_json(store);
        assert_int_equal(json_object_array_length(list), 3);
        assert_member(list, 0, "name", "test-cpio");
        assert_member(list, 0, "kind", "initramfs");
        assert_member(list, 0, "origin", "embedded");
        assert_int_equal(json_member_int(json_object_array_get_idx(list, 0), "users", -1), 0);
        assert_member(list, 1, "name", "test-short");
        /* printf 070701short | sha256sum */
        assert_member(list, 1, "sha256",
                      "604130195e0d2287a292a7d2004bc5f6a1f33888323060f65a0cddaba040ab68");
        assert_int_equal(strlen(json_member_string(json_object_array_get_idx(list, 1), "sha384")),
                         96);
        assert_int_equal(json_member_int(json_object_array_get_idx(list, 1), "size", -1), 11);
        assert_member(list, 2, "name", "bad\xef\xbf\xbd");
        assert_member(list, 2, "origin", "file");
        assert_int_equal(json_member_int(json_object_array_get_idx(list, 2), "users", -1), 1);
}

static void *prepare(void *userdata)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        return (void *)(intptr_t)artifact_prepare(userdata, &error);
}

/* Two launches at once: the second waits, one memfd is made (a second would leak). */
static void test_prepare_at_once(void **state)
{
        _cleanup_(artifact_store_freep) ArtifactStore *store = NULL;
        _cleanup_(artifact_unrefp) Artifact *a = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        pthread_t threads[4];

        assert_int_equal(artifact_store_new(embedded_artifacts, &store), 0);
        assert_int_equal(
                artifact_store_find_own(store, ARTIFACT_INITRAMFS, "test-cpio", &a, &error), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++)
                assert_int_equal(pthread_create(&threads[i], NULL, prepare, a), 0);
        for (size_t i = 0; i < ARRAY_SIZE(threads); i++) {
                void *r;

                pthread_join(threads[i], &r);
                assert_int_equal((intptr_t)r, 0);
        }
        assert_true(a->fd >= 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_embedded),        leaks_unit_test(test_no_such),
                leaks_unit_test(test_former_names),    leaks_unit_test(test_damaged),
                leaks_unit_test(test_wrong_kind),      leaks_unit_test(test_share),
                leaks_unit_test(test_share_embedded),  leaks_unit_test(test_json),
                leaks_unit_test(test_prepare_at_once), leaks_unit_test(test_installed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
