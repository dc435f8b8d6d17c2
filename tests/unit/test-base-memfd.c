/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>

#include "base/fd.h"
#include "base/file.h"
#include "base/memfd.h"
#include "leaks.h"

static void test_sealed(void **state)
{
        static const char data[] = "some bytes";
        _cleanup_close_ int fd = memfd_from_bytes("test", data, sizeof(data));
        char found[sizeof(data)];

        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);
        assert_int_equal(pread(fd, found, sizeof(found), 0), sizeof(found));
        assert_memory_equal(found, data, sizeof(data));

        /* nothing changes it any more, nor can the seals be broken */
        assert_int_equal(pwrite(fd, "x", 1, 0), -1);
        assert_int_equal(errno, EPERM);
        assert_int_equal(ftruncate(fd, 1), -1);
        assert_int_equal(ftruncate(fd, 100), -1);
        assert_ptr_equal(mmap(NULL, 1, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0), MAP_FAILED);
        assert_int_equal(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK), -1);
}

/* Through a /proc path, as QEMU opens it, it is as closed as through the descriptor. */
static void test_reopened(void **state)
{
        _cleanup_close_ int fd = memfd_from_bytes("test", "abc", 3), again = -1;
        _cleanup_free_ char *text = NULL;
        char path[40];

        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        assert_int_equal(file_read_at(AT_FDCWD, path, 16, &text, NULL), 0);
        assert_string_equal(text, "abc");
        again = open(path, O_RDWR | O_CLOEXEC);
        assert_true(again < 0 || pwrite(again, "x", 1, 0) < 0);
}

static void test_not_sealed(void **state)
{
        _cleanup_close_ int fd = memfd_new("test");

        assert_true(fd >= 0);
        assert_int_equal(fd_write_all(fd, "abc", 3), 0);
        assert_int_equal(memfd_seal(fd), 0);
        assert_int_equal(fd_write_all(fd, "d", 1), -EPERM);
}

static void test_write_all(void **state)
{
        _cleanup_close_ int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
        int ends[2];

        assert_int_equal(fd_write_all(full, "x", 1), -ENOSPC);
        assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
        close(ends[0]);
        assert_int_equal(fd_write_all(ends[1], "x", 1), -EPIPE);
        assert_int_equal(fd_write_all(ends[1], "", 0), 0);
        close(ends[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_sealed),
                leaks_unit_test(test_reopened),
                leaks_unit_test(test_not_sealed),
                leaks_unit_test(test_write_all),
        };

        signal(SIGPIPE, SIG_IGN);
        return cmocka_run_group_tests(tests, NULL, NULL);
}
