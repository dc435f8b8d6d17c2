/* SPDX-License-Identifier: Apache-2.0 */
/* What fake-qemu does by itself, and how it behaves when a test asks for trouble.
 * Usage: test-fake-qemu PATH-OF-FAKE-QEMU */
#include "../unit/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/dir.h"
#include "base/file.h"
#include "base/tree.h"
#include "machine.h"

#define CROWD 200u

static const char *fake;

static void start(Machine *machine, const char *append)
{
        machine_start(machine, fake, (const char *const[]){"-append", append, NULL});
}

/* Started, greeted and ready for commands. */
static void start_ready(Machine *machine, const char *append)
{
        start(machine, append);
        machine_greet(machine);
        machine_command(machine, "qmp_capabilities");
        buffer_done(&machine->transcript);
}

static void finish(Machine *machine)
{
        machine_command(machine, "quit");
        machine_await_end(machine);
        assert_int_equal(machine_wait(machine, NULL), 0);
        machine_done(machine);
}

static bool is_silent(int fd, int msec)
{
        return poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, msec) == 0;
}

static void expect_read(int fd, const char *expected)
{
        _cleanup_free_ char *text = read_until(fd, expected);

        assert_string_equal(text, expected);
}

static void test_ready(void **state)
{
        _cleanup_close_ int notify = -1, console = -1;
        _cleanup_free_ char *text = NULL;
        Machine machine;

        start_ready(&machine, "console=null quiet fake.ready-ms=30 fake.status=\"two words\"");
        notify = machine_connect(&machine, MACHINE_NOTIFY);
        console = machine_connect(&machine, MACHINE_CONSOLE);
        assert_true(is_silent(notify, 80)); /* -S: its time stands still */
        machine_command(&machine, "cont");
        expect_read(notify, "STATUS=two words\nREADY=1\n");
        text = read_until(console, "fake-qemu: ready\r\n");
        assert_non_null(strstr(text, "Command line: console=null quiet fake.ready-ms=30"));
        finish(&machine);
}

static void test_ready_waits_for_a_client(void **state)
{
        _cleanup_close_ int notify = -1;
        Machine machine;

        start_ready(&machine, "");
        machine_command(&machine, "cont");
        assert_true(is_silent(machine.qmp, 50));
        notify = machine_connect(&machine, MACHINE_NOTIFY);
        expect_read(notify, "READY=1\n");
        finish(&machine);
}

static void test_no_ready(void **state)
{
        _cleanup_close_ int notify = -1;
        Machine machine;

        start_ready(&machine, "fake.no-ready");
        notify = machine_connect(&machine, MACHINE_NOTIFY);
        machine_command(&machine, "cont");
        assert_true(is_silent(notify, 100));
        finish(&machine);
}

static void test_notify_garbage(void **state)
{
        _cleanup_close_ int notify = -1;
        _cleanup_free_ char *text = NULL;
        Machine machine;

        start_ready(&machine, "fake.notify-garbage");
        notify = machine_connect(&machine, MACHINE_NOTIFY);
        machine_command(&machine, "cont");
        text = read_until(notify, "A\nREADY=1\n");
        assert_int_equal(text[0], '\xff');
        finish(&machine);
}

/* Runs to the end that the words ask for; returns the wait status. */
static int run_to_end(const char *append, char **ret_stderr)
{
        Machine machine;
        int status;

        start_ready(&machine, append);
        machine_command(&machine, "cont");
        machine_await_end(&machine);
        status = machine_wait(&machine, ret_stderr);
        machine_done(&machine);
        return status;
}

static void test_ends(void **state)
{
        _cleanup_free_ char *first = NULL, *second = NULL, *third = NULL;
        Machine machine;
        int status;

        start(&machine, "fake.exit=3 fake.stderr=\"no memory, sorry\"");
        status = machine_wait(&machine, &first);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 3);
        assert_string_equal(first, "no memory, sorry\n");
        machine_done(&machine);

        status = run_to_end("fake.die-ms=10 fake.stderr=ouch", &second);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
        assert_string_equal(second, "ouch\n");

        status = run_to_end("fake.exit-ms=10 fake.stderr=gone", &third);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        assert_string_equal(third, "gone\n");
}

static void test_unknown_word(void **state)
{
        _cleanup_free_ char *text = NULL;
        Machine machine;
        int status;

        start(&machine, "quiet fake.ready=1");
        status = machine_wait(&machine, &text);
        assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 1);
        assert_string_equal(text, "fake-qemu: bad fake.* word in -append quiet fake.ready=1\n");
        machine_done(&machine);
}

static void test_powerdown(void **state)
{
        Machine machine;

        start_ready(&machine, "");
        machine_command(&machine, "cont");
        machine_command(&machine, "stop");
        machine_command(&machine, "system_powerdown");
        assert_true(is_silent(machine.qmp, 80)); /* a paused guest does not see it */
        machine_command(&machine, "cont");
        machine_await(&machine, "STOP");
        assert_non_null(strstr(machine.transcript.data, "\"reason\":\"guest-shutdown\""));
        finish(&machine);
}

static void test_ignores(void **state)
{
        Machine machine;

        start_ready(&machine, "fake.ignore-powerdown fake.ignore-quit");
        machine_command(&machine, "cont");
        machine_command(&machine, "system_powerdown");
        machine_command(&machine, "quit");
        assert_true(is_silent(machine.qmp, 150));
        assert_null(strstr(machine.transcript.data, "SHUTDOWN"));
        machine_command(&machine, "query-status");
        assert_non_null(strstr(machine.transcript.data, "\"status\":\"running\""));
        machine_done(&machine);
}

static void test_qmp_trouble(void **state)
{
        static const char *const mute[] = {"fake.no-qmp", "fake.qmp-silent"};
        _cleanup_free_ char *noise = NULL, *flood = NULL;
        Machine machine;
        int fd;

        for (size_t i = 0; i < ARRAY_SIZE(mute); i++) {
                start(&machine, mute[i]);
                fd = machine_connect(&machine, MACHINE_QMP);
                assert_true(write(fd, "{\"execute\":\"qmp_capabilities\"}\n", 31) == 31);
                assert_true(is_silent(fd, 100));
                close(fd);
                machine_done(&machine);
        }

        start(&machine, "fake.qmp-garbage");
        fd = machine_connect(&machine, MACHINE_QMP);
        noise = read_until(fd, "garbage\n");
        assert_int_equal(noise[0], 0x7f);
        close(fd);
        machine_done(&machine);

        start(&machine, "fake.qmp-flood");
        machine_greet(&machine);
        assert_true(dprintf(machine.qmp, "{\"execute\":\"qmp_capabilities\"}\n") > 0);
        for (unsigned i = 0; i < 5000; i++)
                machine_await(&machine, "RTC_CHANGE");
        machine_done(&machine);
}

static void test_console(void **state)
{
        _cleanup_close_ int console = -1;
        _cleanup_free_ char *text = NULL, *echo = NULL;
        Machine machine;
        size_t n = 0;

        start_ready(&machine, "fake.console-bytes=3000000 fake.no-ready fake.echo");
        console = machine_connect(&machine, MACHINE_CONSOLE);
        machine_command(&machine, "cont");
        text = read_until(console, "booted\r\n");
        n = strlen(strstr(text, "booted\r\n") + 8);
        while (n < 3000000) {
                char bytes[65536];
                ssize_t got = read(console, bytes, sizeof(bytes));

                assert_true(got > 0);
                n += (size_t)got;
        }
        assert_int_equal(n, 3000000);
        assert_int_equal(write(console, "ls\r", 3), 3);
        expect_read(console, "ls\r");
        finish(&machine);
}

static void test_one_client_at_a_time(void **state)
{
        Machine machine;
        int second;

        start_ready(&machine, "");
        second = machine_connect(&machine, MACHINE_QMP);
        assert_true(is_silent(second, 50));
        close(machine.qmp);
        machine.qmp = second;
        machine_await_greeting(&machine);
        machine_command(&machine, "query-status");
        assert_non_null(strstr(machine.transcript.data, "Expecting capabilities negotiation"));
        machine_command(&machine, "qmp_capabilities");
        finish(&machine);
}

static int hold_port(void)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;

        assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
        /* held as the daemon holds a port: QEMU can bind it, nobody else is given it */
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof(yes)), 0);
        return fd;
}

static uint16_t port_of(int fd)
{
        struct sockaddr_in address;
        socklen_t size = sizeof(address);

        assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
        return ntohs(address.sin_port);
}

static int connect_to(uint16_t port)
{
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(connect(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        return fd;
}

static void write_file(const char *directory, const char *sub, const char *name, const char *text)
{
        _cleanup_free_ char *path = NULL;
        _cleanup_close_ int dir = -1;

        assert_true(asprintf(&path, "%s/%s", directory, sub) > 0);
        dir = dir_open_private(path, 0700);
        assert_true(dir >= 0);
        assert_int_equal(file_write_atomic_at(dir, name, text, strlen(text), 0600), 0);
}

static void test_agent(void **state)
{
        char directory[] = "/tmp/fake-qemu-XXXXXX", netdev[256], env[96], certs[96];
        _cleanup_close_ int held = hold_port(), other = hold_port();
        _cleanup_close_ int connection = -1;
        _cleanup_free_ char *nothing = NULL;
        Machine machine;

        assert_non_null(mkdtemp(directory));
        write_file(directory, "env", "environment", "A=\"b\"\n");
        write_file(directory, "certs", "key.pem", "k");
        write_file(directory, "certs", "ca.pem", "c");
        snprintf(env, sizeof(env), "local,id=env_fs,path=%s/env,security_model=mapped", directory);
        snprintf(certs, sizeof(certs), "local,id=cert_fs,path=%s/certs,security_model=mapped",
                 directory);
        snprintf(netdev, sizeof(netdev),
                 "user,id=vmnic,hostfwd=tcp:127.0.0.1:%u-:7002,hostfwd=tcp:127.0.0.1:%u-:22",
                 port_of(held), port_of(other));

        machine_start(
                &machine, fake,
                (const char *const[]){"-netdev", netdev, "-device",
                                      "virtio-net-pci,netdev=vmnic,romfile=", "-fsdev", env,
                                      "-device", "virtio-9p-pci,fsdev=env_fs,mount_tag=env_share",
                                      "-fsdev", certs, "-device",
                                      "virtio-9p-pci,fsdev=cert_fs,mount_tag=certs_share", NULL});
        machine_greet(&machine);
        machine_command(&machine, "qmp_capabilities");
        connection = connect_to(port_of(held));
        assert_int_equal(write(connection, "{}\n{", 4), 4);
        assert_true(is_silent(connection, 50)); /* -S: nobody there yet */
        machine_command(&machine, "cont");
        expect_read(connection,
                    "{\"fake\":true,\"envSize\":6,\"certs\":[\"ca.pem\",\"key.pem\"]}\n");
        assert_int_equal(write(connection, "}\n", 2), 2);
        expect_read(connection,
                    "{\"fake\":true,\"envSize\":6,\"certs\":[\"ca.pem\",\"key.pem\"]}\n");
        close(connection);
        connection = connect_to(port_of(other));
        nothing = read_until(connection, NULL);
        assert_string_equal(nothing, "");
        finish(&machine);
        assert_int_equal(tree_remove_at(AT_FDCWD, directory), 0);
}

static void test_crowd(void **state)
{
        Machine *machines = test_calloc(CROWD, sizeof(Machine));

        for (size_t i = 0; i < CROWD; i++)
                start(&machines[i], "");
        for (size_t i = 0; i < CROWD; i++) {
                machine_greet(&machines[i]);
                machine_command(&machines[i], "qmp_capabilities");
                machine_command(&machines[i], "cont");
        }
        for (size_t i = 0; i < CROWD; i++)
                finish(&machines[i]);
        test_free(machines);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ready),
                cmocka_unit_test(test_ready_waits_for_a_client),
                cmocka_unit_test(test_no_ready),
                cmocka_unit_test(test_notify_garbage),
                cmocka_unit_test(test_ends),
                cmocka_unit_test(test_unknown_word),
                cmocka_unit_test(test_powerdown),
                cmocka_unit_test(test_ignores),
                cmocka_unit_test(test_qmp_trouble),
                cmocka_unit_test(test_console),
                cmocka_unit_test(test_one_client_at_a_time),
                cmocka_unit_test(test_agent),
                cmocka_unit_test(test_crowd),
        };

        if (argc != 2)
                return 2;
        fake = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
