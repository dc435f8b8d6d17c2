/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "artifacts.h"
#include "base/hash_pair.h"
#include "leaks.h"

static void test_kind_kernel(void **state)
{
        uint8_t data[BZIMAGE_SIZE];

        make_bzimage(data);
        assert_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)));
        /* signatures may follow what the header tells of */
        assert_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data) + 1));
        assert_non_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data) - 1));
        assert_non_null(artifact_check_kind(ARTIFACT_KERNEL, data, 0x263));
        assert_non_null(artifact_check_kind(ARTIFACT_KERNEL, data, 0));
        data[0x1f1] = 0; /* stands for 4 sectors: 1536 bytes more */
        assert_non_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)));
        assert_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data) + 1536));
        memset(data + 0x1f4, 0xff, 4); /* 64 GiB */
        assert_non_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)));

        static const struct {
                size_t offset;
                uint8_t value;
        } broken[] = {{0x1fe, 0}, {0x1ff, 0}, {0x202, 'h'}, {0x206, 0x0b}, {0x211, 0}};
        for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
                make_bzimage(data);
                data[broken[i].offset] = broken[i].value;
                assert_non_null(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)));
        }
}

/* A PE image at 0x80 with one section, for a machine. */
static void make_pe(uint8_t *data, uint16_t machine, const char *section)
{
        memcpy(data, "MZ", 2);
        data[0x3c] = 0x80;
        memcpy(data + 0x80, "PE\0\0", 4);
        memcpy(data + 0x84, &machine, 2);
        data[0x86] = 2;    /* sections */
        data[0x94] = 0x70; /* of the optional header */
        strncpy((char *)data + 0x80 + 24 + 0x70 + 40, section, 8);
}

static void test_kind_foreign_kernel(void **state)
{
        static const struct {
                size_t offset;
                const char *magic, *words;
        } files[] = {
                {0,
                 "\x7f"
                 "ELF",
                 "an ELF file"},
                {0, "\x1f\x8b", "gzip-compressed"},
                {0, "\x28\xb5\x2f\xfd", "zstd-compressed"},
                {0,
                 "\xfd"
                 "7zXZ",
                 "xz-compressed"},
                {0x38, "ARM\x64", "an arm64 Image"},
                {0, "070701", "a cpio archive"},
                {0, "IGVM", "an IGVM file"},
                {0, "plain text", "no Linux boot header"},
        };
        static const struct {
                uint16_t machine;
                const char *section, *words;
        } images[] = {
                {0x8664, ".linux", "a unified kernel image (UKI)"},
                {0xaa64, ".linux", "a unified kernel image (UKI)"},
                {0x8664, ".linuxx", "an EFI program, not a bzImage"},
                {0xaa64, ".text", "another architecture"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                uint8_t data[0x1000] = {};

                memcpy(data + files[i].offset, files[i].magic, strlen(files[i].magic));
                assert_non_null(strstr(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)),
                                       files[i].words));
        }
        for (size_t i = 0; i < ARRAY_SIZE(images); i++) {
                uint8_t data[0x264] = {};

                make_pe(data, images[i].machine, images[i].section);
                assert_non_null(strstr(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)),
                                       images[i].words));
                /* headers that lie outside the file are none */
                data[0x95] = 0xff;
                assert_null(
                        strstr(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)), "UKI"));
                memset(data + 0x3c, 0xff, 4);
                assert_non_null(strstr(artifact_check_kind(ARTIFACT_KERNEL, data, sizeof(data)),
                                       "no Linux boot header"));
        }
}

static void test_kind_initramfs(void **state)
{
        static const char *const good[] = {
                "0707010",
                "0707020",
                "\x1f\x8b ",
                ("\xfd"
                 "7zXZ\0 "),
                "\x28\xb5\x2f\xfd ",
                "\x02\x21\x4c\x18 ",
                "\x5d\0\0 ",
                "BZh9",
        };
        static const size_t sizes[] = {7, 7, 3, 7, 5, 5, 4, 4};

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                const uint8_t *data = (const uint8_t *)good[i];

                assert_null(artifact_check_kind(ARTIFACT_INITRAMFS, data, sizes[i]));
                /* a magic and nothing after it */
                assert_non_null(artifact_check_kind(ARTIFACT_INITRAMFS, data, sizes[i] - 1));
        }
        assert_non_null(artifact_check_kind(ARTIFACT_INITRAMFS, (const uint8_t *)"070707aaa", 9));
        assert_non_null(artifact_check_kind(ARTIFACT_INITRAMFS,
                                            (const uint8_t *)"\x7f"
                                                             "ELF",
                                            4));
}

static void test_kind_igvm(void **state)
{
        /* magic, version 1, variable headers at 24 with 8 bytes, 40 bytes in all, checksum */
        static const uint8_t good[40] = {'I', 'G', 'V', 'M', 1, 0, 0, 0, 24,
                                         0,   0,   0,   8,   0, 0, 0, 40};
        static const struct {
                size_t offset;
                uint8_t value;
        } broken[] = {{0, 'i'}, {4, 3}, {8, 23}, {12, 17}, {15, 0xff}, {16, 39}};

        assert_null(artifact_check_kind(ARTIFACT_IGVM, good, sizeof(good)));
        assert_non_null(artifact_check_kind(ARTIFACT_IGVM, good, 39));
        assert_non_null(artifact_check_kind(ARTIFACT_IGVM, good, 23));
        for (size_t i = 0; i < ARRAY_SIZE(broken); i++) {
                uint8_t data[40];

                memcpy(data, good, sizeof(data));
                data[broken[i].offset] = broken[i].value;
                assert_non_null(artifact_check_kind(ARTIFACT_IGVM, data, sizeof(data)));
        }
}

static void test_kind_firmware(void **state)
{
        uint8_t data[1] = {};

        assert_null(artifact_check_kind(ARTIFACT_FIRMWARE, data, 4096));
        assert_null(artifact_check_kind(ARTIFACT_FIRMWARE, data, 16u << 20));
        assert_non_null(artifact_check_kind(ARTIFACT_FIRMWARE, data, (16u << 20) + 4096));
        assert_non_null(artifact_check_kind(ARTIFACT_FIRMWARE, data, 4097));
        assert_non_null(artifact_check_kind(ARTIFACT_FIRMWARE, data, 0));
}

static void test_load(void **state)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        uint8_t data[BZIMAGE_SIZE], again[BZIMAGE_SIZE];
        _cleanup_close_ int fd = -1;
        HashPairDigest digest;

        make_bzimage(data);
        data[5000] = 42;
        fd = make_file(data, sizeof(data));
        assert_int_equal(hash_pair_bytes(data, sizeof(data), &digest), 0);
        lseek(fd, 100, SEEK_SET); /* a client's offset is nothing to us */
        assert_int_equal(artifact_load(ARTIFACT_KERNEL, "k", fd, digest.sha256, &artifact, &error),
                         0);
        assert_int_equal(lseek(fd, 0, SEEK_CUR), 100);
        assert_string_equal(artifact->name, "k");
        assert_int_equal(artifact->size, sizeof(data));
        assert_null(artifact->embedded);
        assert_memory_equal(&artifact->digest, &digest, sizeof(digest));
        assert_int_equal(pread(artifact->fd, again, sizeof(again), 0), sizeof(again));
        assert_memory_equal(again, data, sizeof(data));
        assert_int_equal(artifact_prepare(artifact, &error), 0);

        /* nobody can change what was measured, also not by the descriptor that QEMU gets */
        assert_int_equal(pwrite(artifact->fd, "x", 1, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(artifact->fd, 1), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(artifact->fd, 1 << 20), -1);
        assert_int_equal(errno, EPERM);
        assert_ptr_equal(mmap(NULL, 4096, PROT_WRITE, MAP_SHARED, artifact->fd, 0), MAP_FAILED);
        assert_int_equal(fcntl(artifact->fd, F_ADD_SEALS, F_SEAL_WRITE), -1);
        assert_true(fcntl(artifact->fd, F_GETFD) & FD_CLOEXEC);
}

static uint32_t *large_initramfs(size_t size)
{
        uint32_t *data = calloc(1, size + sizeof(*data));

        assert_non_null(data);
        for (size_t i = 0; i < size / sizeof(*data); i++)
                data[i] = (uint32_t)i * 2654435761u;
        memcpy(data, "070701", 6);
        return data;
}

/* Over many chunks, so that a chunk lost or taken twice would show. */
static void test_load_large(void **state)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        size_t size = (5u << 20) + 13;
        _cleanup_free_ uint32_t *data = large_initramfs(size);
        _cleanup_close_ int fd = -1;
        HashPairDigest digest;

        fd = make_file(data, size);
        assert_int_equal(hash_pair_bytes(data, size, &digest), 0);
        assert_int_equal(artifact_load(ARTIFACT_INITRAMFS, "i", fd, NULL, &artifact, &error), 0);
        assert_memory_equal(&artifact->digest, &digest, sizeof(digest));

        void *map = mmap(NULL, size, PROT_READ, MAP_PRIVATE, artifact->fd, 0);
        assert_ptr_not_equal(map, MAP_FAILED);
        assert_memory_equal(map, data, size);
        munmap(map, size);
}

/* The same bytes and the same refusals, in memory and without a file. */
static void test_load_private(void **state)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_(cvm_error_done) CvmError error = {};
        size_t size = (3u << 20) + 13;
        _cleanup_free_ uint32_t *data = large_initramfs(size);
        _cleanup_close_ int fd = -1;
        HashPairDigest digest;
        void *map = NULL;

        fd = make_file(data, size);
        assert_int_equal(hash_pair_bytes(data, size, &digest), 0);
        assert_int_equal(
                artifact_load_private(ARTIFACT_KERNEL, "i", fd, NULL, &artifact, &map, &error),
                -EBADMSG);
        cvm_error_done(&error);
        digest.sha256[0] ^= 1;
        assert_int_equal(artifact_load_private(ARTIFACT_INITRAMFS, "i", fd, digest.sha256,
                                               &artifact, &map, &error),
                         -EBADMSG);
        assert_null(artifact);
        assert_null(map);
        digest.sha256[0] ^= 1;
        assert_int_equal(artifact_load_private(ARTIFACT_INITRAMFS, "i", fd, digest.sha256,
                                               &artifact, &map, &error),
                         0);
        assert_memory_equal(&artifact->digest, &digest, sizeof(digest));
        assert_int_equal(artifact->size, size);
        assert_int_equal(artifact->fd, -1);
        assert_memory_equal(map, data, size);
        munmap(map, size);
}

static void test_pin(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        uint8_t data[BZIMAGE_SIZE], pinned[SHA256_SIZE];
        _cleanup_close_ int fd = -1;
        Artifact *artifact = NULL;

        make_bzimage(data);
        fd = make_file(data, sizeof(data));
        memset(pinned, 0xab, sizeof(pinned));
        assert_int_equal(artifact_load(ARTIFACT_KERNEL, "k", fd, pinned, &artifact, &error),
                         -EBADMSG);
        assert_null(artifact);
        /* sha256sum of the file, and the pinned one */
        assert_artifact_error(&error, "is ac7515a7e39fe2df");
        assert_int_equal(artifact_load(ARTIFACT_KERNEL, "k", fd, pinned, &artifact, &error),
                         -EBADMSG);
        assert_artifact_error(&error, "one is abababab");
}

static void refuse(SpecArtifactKind kind, int fd, const char *part)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Artifact *artifact = NULL;

        assert_int_equal(artifact_load(kind, "a", fd, NULL, &artifact, &error), -EBADMSG);
        assert_null(artifact);
        assert_artifact_error(&error, part);
}

static void test_refuse(void **state)
{
        _cleanup_close_ int device = open("/dev/zero", O_RDONLY | O_CLOEXEC), fd = -1;
        _cleanup_close_ int directory = open("/", O_RDONLY | O_CLOEXEC), empty = make_file("", 0);
        uint8_t data[BZIMAGE_SIZE];
        int pipes[2];

        refuse(ARTIFACT_KERNEL, device, "not a regular file");
        refuse(ARTIFACT_KERNEL, directory, "not a regular file");
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        refuse(ARTIFACT_KERNEL, pipes[0], "not a regular file");
        close(pipes[0]);
        close(pipes[1]);
        refuse(ARTIFACT_KERNEL, empty, "empty");

        make_bzimage(data);
        fd = make_file(data, sizeof(data));
        refuse(ARTIFACT_INITRAMFS, fd, "not an initramfs");
        assert_int_equal(ftruncate(fd, 4096), 0);
        refuse(ARTIFACT_KERNEL, fd, "truncated");
        assert_int_equal(ftruncate(fd, (off_t)ARTIFACT_SIZE_MAX + 1), 0); /* sparse */
        refuse(ARTIFACT_KERNEL, fd, "larger than");
        /* refused by its head, before 2 GiB are copied */
        assert_int_equal(ftruncate(fd, (off_t)ARTIFACT_SIZE_MAX), 0);
        refuse(ARTIFACT_INITRAMFS, fd, "not an initramfs");
}

typedef struct Writer {
        int fd;
        atomic_bool stop;
} Writer;

static void *write_on(void *userdata)
{
        Writer *writer = userdata;

        while (!atomic_load(&writer->stop)) {
                if (pwrite(writer->fd, "x", 1, 100) != 1)
                        return writer;
                usleep(1000);
        }
        return NULL;
}

static void test_changed(void **state)
{
        _cleanup_close_ int fd = make_file("070701", 6);
        Writer writer = {.fd = fd};
        pthread_t thread;
        void *failed;

        assert_int_equal(ftruncate(fd, 64 << 20), 0);
        assert_int_equal(pthread_create(&thread, NULL, write_on, &writer), 0);
        refuse(ARTIFACT_INITRAMFS, fd, "changed while it was read");
        atomic_store(&writer.stop, true);
        pthread_join(thread, &failed);
        assert_null(failed);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_kind_kernel),
                cmocka_unit_test(test_kind_foreign_kernel),
                cmocka_unit_test(test_kind_initramfs),
                cmocka_unit_test(test_kind_igvm),
                cmocka_unit_test(test_kind_firmware),
                leaks_unit_test(test_load),
                leaks_unit_test(test_load_large),
                leaks_unit_test(test_load_private),
                leaks_unit_test(test_pin),
                leaks_unit_test(test_refuse),
                leaks_unit_test(test_changed),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
