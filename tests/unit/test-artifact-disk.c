/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>

#include "artifact/disk.h"
#include "leaks.h"

static const Descriptor usable = {.kind = DESCRIPTOR_USABLE};

static Caller self(void)
{
        return (Caller){.uid = geteuid(), .gid = getegid()};
}

/* A memory file of these bytes. */
static int file_of(const void *data, size_t size)
{
        int fd = memfd_create("disk", MFD_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(write(fd, data, size), size);
        return fd;
}

/* An empty image as `qemu-img create -f qcow2` of version 3 begins. */
static void header_new(uint8_t header[static 104])
{
        static const uint8_t start[] = {'Q', 'F', 'I', 0xfb, 0, 0, 0, 3};

        memset(header, 0, 104);
        memcpy(header, start, sizeof(start));
        header[23] = 16;   /* cluster_bits */
        header[103] = 104; /* header_length */
}

static void check(const uint8_t *header, size_t size, const char *reason)
{
        _cleanup_close_ int fd = file_of(header, size);
        _cleanup_(cvm_error_done) CvmError error = {};
        int r = disk_check_image(fd, SPEC_DISK_QCOW2, "disks[3]", &error);

        if (!reason) {
                assert_int_equal(r, 0);
                return;
        }
        assert_true(r < 0);
        assert_string_equal(json_object_get_string(json_object_object_get(error.fields, "field")),
                            "disks[3]");
        if (!strstr(json_object_get_string(json_object_object_get(error.fields, "reason")), reason))
                fail_msg("'%s' is not in: %s", reason,
                         json_object_get_string(json_object_object_get(error.fields, "reason")));
}

static void test_qcow2(void **state)
{
        /* byte, value, reason */
        static const struct {
                size_t at;
                uint8_t value;
                const char *reason;
        } cases[] = {
                {7, 2, NULL},
                {7, 1, "version 1"},
                {7, 4, "version 4"},
                {0, 'q', "not a qcow2"},
                {15, 1, "backing file"},
                {8, 0x80, "backing file"},
                {19, 4, "backing file"},
                {35, 1, "encrypted"},
                {79, 1 << 0, NULL}, /* dirty */
                {79, 1 << 1, "corrupt"},
                {79, 1 << 2, "data file"},
                {79, 1 << 4, NULL}, /* extended L2 */
                {79, 1 << 5, "unknown features 0x20"},
                {72, 0x80, "unknown features 0x8000000000000000"},
        };
        uint8_t header[104];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                header_new(header);
                header[cases[i].at] = cases[i].value;
                check(header, sizeof(header), cases[i].reason);
        }
        header_new(header);
        for (size_t size = 0; size < sizeof(header); size++)
                check(header, size, "not a qcow2");
        check(header, sizeof(header), NULL);
}

static void test_raw_size(void **state)
{
        static const struct {
                size_t size;
                bool good;
        } cases[] = {{0, false}, {1, false}, {511, false}, {512, true}, {513, false}, {4096, true}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_close_ int fd = memfd_create("disk", MFD_CLOEXEC);
                _cleanup_(cvm_error_done) CvmError error = {};

                assert_int_equal(ftruncate(fd, (off_t)cases[i].size), 0);
                assert_int_equal(disk_check_image(fd, SPEC_DISK_RAW, "disks[0]", &error) == 0,
                                 cases[i].good);
        }
}

/* What the daemon has is an open file of its own, open for no more than the spec says. */
static void test_sent_descriptor(void **state)
{
        char sector[512] = {};
        const Caller caller = self();

        for (int writable = 0; writable < 2; writable++) {
                const SpecDisk spec = {.id = (char *)"d", .fd = 0, .read_only = !writable};
                int sent = file_of(sector, sizeof(sector)), before = sent;
                _cleanup_(cvm_error_done) CvmError error = {};
                DiskFile file = {.fd = -1};
                struct stat st;

                assert_int_equal(fstat(sent, &st), 0);
                assert_int_equal(
                        disk_open(&caller, &spec, &sent, &usable, "disks[0]", &file, &error), 0);
                assert_int_equal(sent, -1);
                for (int i = 0; i < 5000 && fcntl(before, F_GETFD) >= 0; i++)
                        usleep(1000); /* a thread closes it (base/foreign.h) */
                assert_int_equal(fcntl(before, F_GETFD), -1);
                assert_int_equal(fcntl(file.fd, F_GETFL) & O_ACCMODE, writable ? O_RDWR : O_RDONLY);
                assert_false(file.identity.block);
                assert_int_equal(file.identity.inode, st.st_ino);
                close(file.fd);
        }
}

static void refuse(int sent, const char *path, bool writable, const char *reason)
{
        const SpecDisk spec = {.id = (char *)"d", .path = (char *)path, .read_only = !writable};
        const Caller caller = self();
        _cleanup_(cvm_error_done) CvmError error = {};
        DiskFile file = {.fd = -1};
        const char *text;

        assert_true(disk_open(&caller, &spec, &sent, &usable, "disks[0]", &file, &error) < 0);
        assert_int_equal(file.fd, -1);
        text = json_object_get_string(json_object_object_get(error.fields, "reason"));
        if (!strstr(text, reason))
                fail_msg("'%s' is not in: %s", reason, text);
        closep(&sent);
}

static void test_refusals(void **state)
{
        int pipes[2];
        char path[] = "/tmp/cvmd-test-disk-XXXXXX";
        int fd = mkstemp(path);

        assert_true(fd >= 0);
        assert_int_equal(ftruncate(fd, 512), 0);
        close(fd);
        refuse(open(path, O_RDONLY | O_CLOEXEC), NULL, true, "not open for writing");
        refuse(open(path, O_WRONLY | O_CLOEXEC), NULL, false, "not open for reading");
        refuse(open(path, O_PATH | O_CLOEXEC), NULL, false, "O_PATH");
        unlink(path);
        refuse(-1, path, false, "does not exist");
        refuse(-1, "/dev/null", false, "is a device, not a regular file or a block device");
        refuse(-1, "/tmp", false, "is a directory, not a regular file or a block device");
        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        refuse(pipes[0], NULL, false, "is a FIFO");
        close(pipes[1]);
}

static void test_identity(void **state)
{
        const DiskIdentity file = {false, 7, 9}, other = {false, 7, 10}, block = {true, 7, 9};

        assert_true(disk_identity_equal(&file, &file));
        assert_false(disk_identity_equal(&file, &other));
        assert_false(disk_identity_equal(&file, &block));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_qcow2),           leaks_unit_test(test_raw_size),
                leaks_unit_test(test_sent_descriptor), leaks_unit_test(test_refusals),
                leaks_unit_test(test_identity),
        };

        if (syscall(SYS_openat2, -1, "", &(struct open_how){}, 0) < 0 && errno == ENOSYS) {
                puts("1..0 # SKIP no openat2(2) here (valgrind before 3.20 hides it)");
                return 0;
        }
        return cmocka_run_group_tests(tests, NULL, NULL);
}
