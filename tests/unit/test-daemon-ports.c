/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>

#include "base/json.h"
#include "leaks.h"
#include "local/ports.h"

static const PortRange range = {21000, 21299};

/* As root, in a network of its own: nobody else's ports, and no connections left from the
 * last run. */
static int setup(void **state)
{
        struct ifreq loopback = {.ifr_name = "lo", .ifr_flags = IFF_UP};
        int fd, r;

        if (geteuid() != 0 || unshare(CLONE_NEWNET) < 0)
                return 0;
        fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        r = ioctl(fd, SIOCSIFFLAGS, &loopback);
        close(fd);
        return r;
}

static int bound(const char *address, uint16_t port, bool reuse)
{
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(inet_pton(AF_INET, address, &name.sin_addr), 1);
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){reuse}, sizeof(int));
        if (bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

static int listening(const char *address, uint16_t port, bool reuse)
{
        int fd = bound(address, port, reuse);

        if (fd >= 0 && listen(fd, 5) < 0) {
                int r = -errno;

                close(fd);
                return r;
        }
        return fd;
}

static uint16_t hold_any(uint16_t *cursor, PortHold *hold)
{
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_int_equal(ports_hold(&range, cursor, "127.0.0.1", 0, SPEC_TCP, hold, &error), 0);
        return hold->port;
}

static int hold_wanted(const char *address, uint16_t port, SpecProtocol protocol, PortHold *hold)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        uint16_t cursor = 0;
        int r = ports_hold(&range, &cursor, address, port, protocol, hold, &error);

        if (r == -ENOSPC) {
                assert_int_equal(error.id, CVM_ERROR_NO_RESOURCES);
                assert_string_equal(json_member_string(error.fields, "resource"), "port");
                assert_int_equal(json_member_int(error.fields, "wanted", -1), port);
        }
        return r;
}

/* 200 at once are distinct, whatever stands in the way; a full range is told. */
static void test_many(void **state)
{
        int a = listening("0.0.0.0", 21050, true), b = bound("127.0.0.1", 21051, false);
        PortHold holds[298] = {}, one;
        uint16_t cursor = 21040;
        bool seen[300] = {};
        _cleanup_(cvm_error_done) CvmError error = {};

        assert_true(a >= 0 && b >= 0);
        for (size_t i = 0; i < ARRAY_SIZE(holds); i++) {
                uint16_t port = hold_any(&cursor, &holds[i]);

                if (i == 0)
                        assert_int_equal(port, 21040);
                assert_in_range(port, range.first, range.last);
                assert_true(port != 21050 && port != 21051);
                assert_false(seen[port - range.first]);
                seen[port - range.first] = true;
        }
        assert_int_equal(ports_hold(&range, &cursor, "127.0.0.1", 0, SPEC_TCP, &one, &error),
                         -ENOSPC);
        assert_int_equal(error.id, CVM_ERROR_NO_RESOURCES);
        assert_int_equal(json_member_int(error.fields, "wanted", -1), 1);
        assert_int_equal(json_member_int(error.fields, "available", -1), 0);
        for (size_t i = 0; i < ARRAY_SIZE(holds); i++) {
                port_hold_release(&holds[i]);
                port_hold_release(&holds[i]);
        }
        close(a);
        close(b);
}

/* The search goes on where it was, so that a port just given up is not given at once again. */
static void test_rotate(void **state)
{
        uint16_t cursor = 0, first, second;
        PortHold hold;

        first = hold_any(&cursor, &hold);
        assert_int_equal(first, range.first);
        port_hold_release(&hold);
        second = hold_any(&cursor, &hold);
        assert_int_equal(second, first + 1);
        port_hold_release(&hold);
        cursor = range.last;
        assert_int_equal(hold_any(&cursor, &hold), range.last);
        port_hold_release(&hold);
        assert_int_equal(hold_any(&cursor, &hold), range.first);
        port_hold_release(&hold);
}

static void test_in_use(void **state)
{
        PortHold hold, other;
        int fd;

        fd = listening("0.0.0.0", 21100, true);
        assert_int_equal(hold_wanted("127.0.0.1", 21100, SPEC_TCP, &hold), -ENOSPC);
        close(fd);
        fd = listening("127.0.0.1", 21100, true);
        assert_int_equal(hold_wanted("0.0.0.0", 21100, SPEC_TCP, &hold), -ENOSPC);
        assert_int_equal(hold_wanted("127.0.0.2", 21100, SPEC_TCP, &hold), 0);
        port_hold_release(&hold);
        close(fd);

        assert_int_equal(hold_wanted("127.0.0.1", 21100, SPEC_TCP, &hold), 0);
        assert_int_equal(hold_wanted("127.0.0.1", 21100, SPEC_TCP, &other), -ENOSPC);
        assert_int_equal(hold_wanted("0.0.0.0", 21100, SPEC_TCP, &other), -ENOSPC);
        /* who does not ask for it cannot get it */
        assert_int_equal(bound("127.0.0.1", 21100, false), -EADDRINUSE);
        port_hold_release(&hold);
        fd = bound("127.0.0.1", 21100, false);
        assert_true(fd >= 0);
        close(fd);
}

static void test_ipv6_wildcard(void **state)
{
        struct sockaddr_in6 name = {.sin6_family = AF_INET6, .sin6_port = htons(21101)};
        _cleanup_close_ int fd = socket(AF_INET6, SOCK_STREAM | SOCK_CLOEXEC, 0);
        PortHold hold;

        if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int)) < 0 ||
            bind(fd, (struct sockaddr *)&name, sizeof(name)) < 0 || listen(fd, 1) < 0) {
                print_message("needs IPv6: %s\n", strerror(errno));
                skip();
        }
        assert_int_equal(hold_wanted("127.0.0.1", 21101, SPEC_TCP, &hold), -ENOSPC);
}

static void test_refuse(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        uint16_t cursor = 0;
        PortHold hold = {};

        /* TEST-NET-1, RFC 5737 */
        assert_int_equal(hold_wanted("192.0.2.1", 21102, SPEC_TCP, &hold), -EINVAL);
        assert_int_equal(ports_hold(&range, &cursor, "192.0.2.1", 0, SPEC_TCP, &hold, &error),
                         -EINVAL);
        assert_int_equal(error.id, CVM_ERROR_INVALID_SPEC);
        assert_int_equal(hold_wanted("localhost", 21102, SPEC_TCP, &hold), -EINVAL);
        port_hold_release(&hold); /* zeroed: descriptor 0 is not its own */
        assert_true(fcntl(0, F_GETFD) >= 0 || errno == EBADF);
}

static void test_udp(void **state)
{
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(21103)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        PortHold hold;

        /* not held: QEMU could not bind it */
        assert_int_equal(hold_wanted("127.0.0.1", 21103, SPEC_UDP, &hold), 0);
        assert_int_equal(hold.fd, -1);
        assert_int_equal(hold.port, 21103);
        assert_int_equal(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
        port_hold_release(&hold);
        assert_int_equal(hold_wanted("127.0.0.1", 21103, SPEC_UDP, &hold), -ENOSPC);
        /* a TCP port is another thing */
        assert_int_equal(hold_wanted("127.0.0.1", 21103, SPEC_TCP, &hold), 0);
        port_hold_release(&hold);
}

/* A child that binds and listens as QEMU does, and answers each connection with one byte. */
static pid_t start_server(uint16_t port, uid_t uid, int *ret_ready)
{
        pid_t parent = getpid(), pid;
        int pipes[2];

        assert_int_equal(pipe2(pipes, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int fd, client;

                if (uid && setresuid(uid, uid, uid) < 0)
                        _exit(2);
                /* afterwards, as a change of ids undoes it */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                        _exit(2);
                fd = listening("127.0.0.1", port, true);
                if (fd < 0 || write(pipes[1], "r", 1) != 1)
                        _exit(3);
                while ((client = accept(fd, NULL, NULL)) >= 0) {
                        if (write(client, "q", 1) != 1)
                                _exit(4);
                        close(client);
                }
                _exit(5);
        }
        close(pipes[1]);
        *ret_ready = pipes[0];
        return pid;
}

static void ask_server(uint16_t port)
{
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(port)};
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        char c = 0;

        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        assert_int_equal(connect(fd, (struct sockaddr *)&name, sizeof(name)), 0);
        assert_int_equal(read(fd, &c, 1), 1);
        assert_int_equal(c, 'q');
        assert_int_equal(read(fd, &c, 1), 0); /* the server closed first: its side lingers */
}

static void serve(uint16_t port, uid_t uid)
{
        PortHold hold;
        pid_t pid;
        int ready;
        char c;

        assert_int_equal(hold_wanted("127.0.0.1", port, SPEC_TCP, &hold), 0);
        pid = start_server(port, uid, &ready);
        assert_int_equal(read(ready, &c, 1), 1);
        ask_server(port); /* while held */
        port_hold_release(&hold);
        ask_server(port);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        close(ready);
}

static void test_server(void **state)
{
        struct sockaddr_in name = {.sin_family = AF_INET, .sin_port = htons(21404)};
        _cleanup_close_ int fd = -1, client = -1;
        PortHold hold, other;

        name.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
        serve(21404, 0);
        /* The connections of the server that is gone linger now; the port can be had again at once,
         * and by a server after it. */
        assert_int_equal(bound("127.0.0.1", 21404, false), -EADDRINUSE);
        serve(21404, 0);
        assert_int_equal(hold_wanted("127.0.0.1", 21404, SPEC_TCP, &hold), 0);
        port_hold_release(&hold);
        /* but not while somebody listens */
        fd = listening("127.0.0.1", 21404, true);
        assert_true(fd >= 0);
        assert_int_equal(hold_wanted("127.0.0.1", 21404, SPEC_TCP, &hold), -ENOSPC);

        /* Nor does what lingers elsewhere, or a connection that has not ended, give a port away. */
        assert_int_equal(hold_wanted("127.0.0.1", 21406, SPEC_TCP, &hold), 0);
        assert_int_equal(hold_wanted("127.0.0.1", 21406, SPEC_TCP, &other), -ENOSPC);
        port_hold_release(&hold);
        client = bound("127.0.0.1", 21406, true);
        assert_int_equal(connect(client, (struct sockaddr *)&name, sizeof(name)), 0);
        assert_int_equal(hold_wanted("127.0.0.1", 21406, SPEC_TCP, &hold), -ENOSPC);
}

static void test_server_of_other_uid(void **state)
{
        if (geteuid() != 0) {
                print_message("needs root: binds the port as another user\n");
                skip();
        }
        serve(21405, 4242);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_many),   leaks_unit_test(test_rotate),
                leaks_unit_test(test_in_use), leaks_unit_test(test_ipv6_wildcard),
                leaks_unit_test(test_refuse), leaks_unit_test(test_udp),
                leaks_unit_test(test_server), leaks_unit_test(test_server_of_other_uid),
        };

        return cmocka_run_group_tests(tests, setup, NULL);
}
