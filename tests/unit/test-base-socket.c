/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "base/socket.h"
#include "directory.h"
#include "leaks.h"

static void make_pair(int pair[2])
{
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
}

static bool is_null_device(int fd)
{
        struct stat st, null;

        return fstat(fd, &st) == 0 && stat("/dev/null", &null) == 0 && st.st_rdev == null.st_rdev;
}

static void test_descriptors(void **state)
{
        int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[SOCKET_FDS_MAX];
        SocketFds received = {};
        char bytes[8];

        make_pair(pair);
        for (size_t i = 0; i < SOCKET_FDS_MAX; i++)
                fds[i] = null;
        assert_int_equal(socket_send(pair[0], "abc", 3, fds, SOCKET_FDS_MAX, 0), 3);
        assert_int_equal(socket_receive(pair[1], bytes, sizeof(bytes), &received, 0), 3);
        assert_memory_equal(bytes, "abc", 3);
        assert_int_equal(received.n, SOCKET_FDS_MAX);
        assert_false(received.truncated);
        for (size_t i = 0; i < received.n; i++) {
                assert_true(is_null_device(received.fds[i]));
                assert_true(fcntl(received.fds[i], F_GETFD) & FD_CLOEXEC);
                close(received.fds[i]);
        }

        /* none, and the end */
        assert_int_equal(socket_send(pair[0], "d", 1, NULL, 0, 0), 1);
        assert_int_equal(socket_receive(pair[1], bytes, sizeof(bytes), &received, 0), 1);
        assert_int_equal(received.n, 0);
        assert_int_equal(socket_receive(pair[1], bytes, 1, &received, MSG_DONTWAIT), -EAGAIN);
        close(pair[0]);
        assert_int_equal(socket_receive(pair[1], bytes, 1, &received, 0), 0);
        assert_int_equal(socket_send(pair[1], "e", 1, NULL, 0, 0), -EPIPE);
        close(pair[1]);
        close(null);
}

static void test_one_descriptor(void **state)
{
        int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), fd = 77;
        const int fds[] = {null, pair[0], null};
        char byte;

        make_pair(pair);
        assert_int_equal(
                socket_send(pair[0], "a", 1, (const int[]){null, null, null}, ARRAY_SIZE(fds), 0),
                1);
        assert_int_equal(socket_receive_fd(pair[1], &byte, 1, &fd, 0), 1);
        assert_true(is_null_device(fd)); /* leaks.h sees that the others are closed */
        close(fd);
        assert_int_equal(socket_send(pair[0], "b", 1, NULL, 0, 0), 1);
        assert_int_equal(socket_receive_fd(pair[1], &byte, 1, &fd, 0), 1);
        assert_int_equal(fd, -1);
        close(pair[0]);
        close(pair[1]);
        close(null);
}

/* What does not fit is lost, here since credentials take the room of some, and that is said. */
static void test_truncated(void **state)
{
        int pair[2], null = open("/dev/null", O_RDONLY | O_CLOEXEC), fds[SOCKET_FDS_MAX];
        SocketFds received = {};
        char byte;

        make_pair(pair);
        assert_int_equal(setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &(int){1}, sizeof(int)), 0);
        for (size_t i = 0; i < SOCKET_FDS_MAX; i++)
                fds[i] = null;
        assert_int_equal(socket_send(pair[0], "a", 1, fds, SOCKET_FDS_MAX, 0), 1);
        assert_int_equal(socket_receive(pair[1], &byte, 1, &received, 0), 1);
        assert_true(received.truncated);
        assert_in_range(received.n, 1, SOCKET_FDS_MAX - 1);
        for (size_t i = 0; i < received.n; i++) {
                assert_true(is_null_device(received.fds[i]));
                close(received.fds[i]);
        }
        close(pair[0]);
        close(pair[1]);
        close(null);
}

static void test_addresses(void **state)
{
        struct sockaddr_un address;
        char path[sizeof(address.sun_path) + 1];

        memset(path, 'a', sizeof(path));
        path[sizeof(address.sun_path)] = 0;
        assert_int_equal(socket_address(path, &address), -ENAMETOOLONG);
        path[sizeof(address.sun_path) - 1] = 0;
        assert_int_equal(socket_address(path, &address), 0);
        assert_string_equal(address.sun_path, path);
        assert_int_equal(socket_address("", &address), -ENOENT);
        assert_int_equal(socket_address_at(3, path, &address), -ENAMETOOLONG);
        assert_int_equal(socket_address_at(3, NULL, &address), 0);
        assert_string_equal(address.sun_path, "/proc/self/fd/3");
}

static void test_connect(void **state)
{
        _cleanup_(directory_remove) char *path = directory_make();
        _cleanup_close_ int dirfd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        _cleanup_close_ int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        _cleanup_close_ int connected = -1, accepted = -1;
        struct sockaddr_un address;

        assert_int_equal(socket_address_at(dirfd, "socket", &address), 0);
        assert_int_equal(socket_connect(&address, 0), -ENOENT);
        assert_int_equal(bind(listening, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(socket_connect(&address, 0), -ECONNREFUSED);
        assert_int_equal(listen(listening, 1), 0);
        connected = socket_connect(&address, SOCK_NONBLOCK);
        assert_true(connected >= 0);
        assert_true(fcntl(connected, F_GETFL) & O_NONBLOCK);
        assert_true(fcntl(connected, F_GETFD) & FD_CLOEXEC);
        accepted = accept(listening, NULL, NULL);
        assert_true(accepted >= 0);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_descriptors), leaks_unit_test(test_one_descriptor),
                leaks_unit_test(test_truncated),   leaks_unit_test(test_addresses),
                leaks_unit_test(test_connect),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
