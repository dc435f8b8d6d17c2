/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#include "base/account.h"
#include "base/foreign.h"
#include "base/macros.h"
#include "deaf.h"
#include "leaks.h"

static bool is_open(int fd)
{
        return fcntl(fd, F_GETFD) >= 0;
}

static void await_closed(int fd)
{
        for (unsigned i = 0; i < 5000 && is_open(fd); i++)
                usleep(1000);
        assert_false(is_open(fd));
}

#define UID 4711

static void test_close(void **state)
{
        int fds[5] = {-1, -1, -1, -1, -1}, kept = open("/dev/null", O_RDONLY | O_CLOEXEC);

        foreign_close(UID, fds, ARRAY_SIZE(fds));
        foreign_close(UID, NULL, 0);
        fds[1] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        fds[4] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        foreign_close(UID, fds, 4);
        await_closed(fds[1]);
        assert_true(is_open(fds[4]) && is_open(kept));
        foreign_close(UID, &fds[4], 1);
        await_closed(fds[4]);
        close(kept);
}

/* More of them than closers at a time, of several senders: all are closed in the end. */
static void test_many(void **state)
{
        int fds[16 * FOREIGN_CLOSERS_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = open("/dev/null", O_RDONLY | O_CLOEXEC);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                foreign_close((uid_t)(UID + i % 100), &fds[i], 1);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                await_closed(fds[i]);
}

/* A TCP socket of which some sent bytes are not received yet, and that is to wait for that when it
 * is closed; *ret_peer is the other end, with a small buffer. */
static int lingering_socket(int *ret_peer)
{
        const struct linger linger = {.l_onoff = 1, .l_linger = 3600};
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), small = 4096;
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char bytes[65536] = {};
        socklen_t size = sizeof(address);

        setsockopt(listener, SOL_SOCKET, SO_RCVBUF, &small, sizeof(small));
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&address, &size), 0);
        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        *ret_peer = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
        assert_true(*ret_peer >= 0);
        close(listener);
        while (send(fd, bytes, sizeof(bytes), MSG_DONTWAIT) > 0)
                ;
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger)), 0);
        return fd;
}

/* Sockets that want to linger for an hour hold up nobody. */
static void test_lingering(void **state)
{
        int fds[2 * FOREIGN_CLOSERS_PER_UID], peers[ARRAY_SIZE(fds)];

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = lingering_socket(&peers[i]);
        foreign_close(UID, fds, ARRAY_SIZE(fds));
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                await_closed(fds[i]);
        for (size_t i = 0; i < ARRAY_SIZE(peers); i++)
                close(peers[i]);
}

/* Sends bytes with a lingering socket, whose last reference is then on its way. */
static void send_lingering(int to, int *ret_peer)
{
        union {
                struct cmsghdr header;
                char bytes[CMSG_SPACE(sizeof(int))];
        } control = {.header = {CMSG_LEN(sizeof(int)), SOL_SOCKET, SCM_RIGHTS}};
        struct iovec iov = {(char *)"rights", 6};
        struct msghdr message = {.msg_iov = &iov,
                                 .msg_iovlen = 1,
                                 .msg_control = &control,
                                 .msg_controllen = sizeof(control)};
        int fd = lingering_socket(ret_peer);

        memcpy(CMSG_DATA(&control.header), &fd, sizeof(fd));
        assert_int_equal(sendmsg(to, &message, 0), 6);
        close(fd);
}

static void reset(int peer)
{
        const struct linger none = {.l_onoff = 1};

        setsockopt(peer, SOL_SOCKET, SO_LINGER, &none, sizeof(none));
        close(peer);
}

/* Neither the end of a connection nor reading from it waits for what its peer has sent. */
static void test_in_flight(void **state)
{
        int pair[2], peer;
        char byte;

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        assert_int_equal(foreign_recv(pair[0], &byte, 1), -EAGAIN);
        assert_int_equal(send(pair[1], "xy", 2, 0), 2);
        assert_int_equal(foreign_recv(pair[0], &byte, 1), 1);
        assert_int_equal(byte, 'x');
        send_lingering(pair[1], &peer);
        alarm(20); /* what this test is about waits for an hour if it waits */
        foreign_close_socket(pair[0]);
        assert_int_equal(send(pair[1], "z", 1, MSG_NOSIGNAL), -1);
        reset(peer); /* a closer waits for it */
        await_closed(pair[0]);
        close(pair[1]);

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
        send_lingering(pair[1], &peer);
        assert_int_equal(foreign_recv(pair[0], &byte, 1), -EPROTO);
        assert_int_equal(foreign_recv(pair[0], &byte, 1), -EPROTO);
        foreign_close_shared(pair[0]);
        reset(peer);
        await_closed(pair[0]);
        close(pair[1]);
        alarm(0);
}

/* What holds bytes alone, or nothing, is closed at once; its peer sees a reset or the end. */
static void test_only_bytes(void **state)
{
        char byte;

        for (int bytes = 0; bytes < 20000; bytes += 9999) {
                _cleanup_free_ char *data = calloc(1, (size_t)bytes + 1);
                int pair[2];

                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
                assert_int_equal(send(pair[1], data, (size_t)bytes, 0), bytes);
                foreign_close_socket(pair[0]);
                assert_false(is_open(pair[0]));
                assert_int_equal(foreign_recv(pair[1], &byte, 1), bytes ? -ECONNRESET : 0);
                close(pair[1]);
        }
        foreign_close_socket(-1);
        foreign_close_shared(-1);
}

/* One sender whose files are never closed is full in the end; others' are closed meanwhile, and
 * root's even if there are many such senders; and once his file system ends, all are closed and he
 * may send again. */
static void test_deaf(void **state)
{
        int fds[FOREIGN_WAITING_PER_UID + 1], of_many[FOREIGN_CLOSERS_MAX + 16], other;
        size_t waiting, closing;
        Deaf deaf;

        if (!deaf_mount(&deaf))
                skip();
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = deaf_open(&deaf);
        foreign_close(UID, fds, ARRAY_SIZE(fds) - 1);
        usleep(50000);
        assert_false(foreign_is_full(UID));
        foreign_count(&waiting, &closing);
        assert_int_equal(closing, FOREIGN_CLOSERS_PER_UID);
        assert_int_equal(waiting, ARRAY_SIZE(fds) - 1 - FOREIGN_CLOSERS_PER_UID);
        foreign_close(UID, &fds[ARRAY_SIZE(fds) - 1], 1);
        assert_true(foreign_is_full(UID));
        assert_false(foreign_is_full(UID + 1));

        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        foreign_close(UID + 1, &other, 1);
        await_closed(other);
        assert_true(is_open(fds[ARRAY_SIZE(fds) - 1]));

        for (size_t i = 0; i < ARRAY_SIZE(of_many); i++) {
                of_many[i] = deaf_open(&deaf);
                foreign_close((uid_t)(UID + 1 + i / 2), &of_many[i], 1);
        }
        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        foreign_close(0, &other, 1);
        await_closed(other);

        deaf_abort(&deaf);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                await_closed(fds[i]);
        for (size_t i = 0; i < ARRAY_SIZE(of_many); i++)
                await_closed(of_many[i]);
        for (unsigned i = 0; i < 5000 && foreign_is_full(UID); i++)
                usleep(1000);
        assert_false(foreign_is_full(UID));
        deaf_done(&deaf);
}

static uid_t all_of_one(const void *table, uid_t uid)
{
        const uid_t *end = table;

        return uid >= UID && uid < *end ? UID : uid;
}

/* As many users as there are closers, who are one person, leave closers to others. */
static void test_one_account(void **state)
{
        const uid_t end = UID + FOREIGN_CLOSERS_MAX;
        int fds[4 * FOREIGN_CLOSERS_MAX], other;
        Deaf deaf;

        if (!deaf_mount(&deaf))
                skip();
        account_set(all_of_one, &end);
        assert_int_equal(account_of(UID + 1), UID);
        assert_int_equal(account_of(0), 0);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = deaf_open(&deaf);
                foreign_close((uid_t)(UID + i / 4), &fds[i], 1);
        }
        usleep(50000);
        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        foreign_close(end, &other, 1);
        await_closed(other);
        account_set(NULL, NULL); /* what waits stays counted where it was */
        assert_int_equal(account_of(UID + 1), UID + 1);
        other = open("/dev/null", O_RDONLY | O_CLOEXEC);
        foreign_close(UID + 1, &other, 1);
        await_closed(other);
        deaf_abort(&deaf);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                await_closed(fds[i]);
        deaf_done(&deaf);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_close),       leaks_unit_test(test_many),
                leaks_unit_test(test_lingering),   leaks_unit_test(test_in_flight),
                leaks_unit_test(test_only_bytes),  leaks_unit_test(test_deaf),
                leaks_unit_test(test_one_account),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
