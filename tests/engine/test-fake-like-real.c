/* SPDX-License-Identifier: Apache-2.0 */
/* The same talk with the real QEMU and with fake-qemu gives the same transcript, and what the one
 * refuses the other refuses in the same words. Usage: test-fake-like-real PATH-OF-FAKE-QEMU */
#include "../unit/test.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/memfd.h"
#include "machine.h"

#define DISK_SIZE (10 << 20)

static const char *fake;

static const char *real_or_skip(void)
{
        const char *real = machine_real();

        if (!real) {
                print_message("qemu-system-x86_64 is not installed\n");
                skip();
        }
        return real;
}

/* Runs the talk with both; `end` is what ends the guest (real: a boot sector's code, fake:
 * a word). */
static void compare(void (*talk)(Machine *machine), const char *code, size_t n_code,
                    const char *append)
{
        char sector[512] = {}, drive[96];
        _cleanup_close_ int disk = -1;
        Machine real, imitation;
        int real_status, fake_status;

        /* a disk that the BIOS boots; hlt and a jump back to it follow the code */
        if (code) {
                memcpy(sector, code, n_code);
                memcpy(sector + n_code, "\xf4\xeb\xfd", 3);
        }
        memcpy(sector + 510, "\x55\xaa", 2);
        disk = memfd_create("disk", 0);
        assert_int_equal(fd_write_all(disk, sector, sizeof(sector)), 0);
        assert_int_equal(ftruncate(disk, DISK_SIZE), 0);
        snprintf(drive, sizeof(drive), "file=/proc/self/fd/%d,format=raw,if=ide", disk);

        machine_start(&real, real_or_skip(),
                      (const char *const[]){"-device", "pvpanic", "-name", "guest=web",
                                            code ? "-drive" : NULL, drive, NULL});
        machine_start(&imitation, fake,
                      (const char *const[]){"-device", "pvpanic", "-name", "guest=web", "-append",
                                            append, NULL});
        talk(&real);
        talk(&imitation);
        real_status = machine_wait(&real, NULL);
        fake_status = machine_wait(&imitation, NULL);
        assert_string_equal(imitation.transcript.data, real.transcript.data);
        assert_int_equal(fake_status, real_status);
        machine_done(&real);
        machine_done(&imitation);
}

static void greet(Machine *machine)
{
        machine_greet(machine);
        machine_command(machine, "qmp_capabilities");
}

static void say_quit(Machine *machine)
{
        machine_command(machine, "quit");
        machine_await_end(machine);
}

static void talk_ordinary(Machine *machine)
{
        static const char *const commands[] = {
                "query-status", "query-name",       "query-version", "nope", "stop", "query-status",
                "cont",         "query-status",     "cont",          "stop", "stop", "query-status",
                "cont",         "system_powerdown", "query-status",
        };

        greet(machine);
        for (size_t i = 0; i < ARRAY_SIZE(commands); i++)
                machine_command(machine, commands[i]);
        say_quit(machine);
}

static void talk_malformed(Machine *machine)
{
        static const char *const lines[] = {
                "{\"execute\": \"query-status\"}",
                "{\"execute\": \"query-status\", \"id\": \"a b\"}",
                "{\"execute\": \"query-status\", \"id\": {\"a\": [1, null]}}",
                "{\"execute\": \"query-status\", \"bogus\": 1, \"id\": 3}",
                "{\"execute\": \"cont\", \"arguments\": {\"x\": 1}, \"id\": 9}",
                "{\"execute\": \"query-status\", \"arguments\": 3, \"id\": 1}",
                "{\"execute\": 3, \"id\": [1]}",
                "{\"execute\": \"a\\\"b/c\", \"id\": 1}",
                "{\"id\": 4}",
                "{}",
                "[1]",
        };

        machine_greet(machine);
        machine_command(machine, "query-status");
        machine_command(machine, "qmp_capabilities");
        machine_command(machine, "qmp_capabilities");
        for (size_t i = 0; i < ARRAY_SIZE(lines); i++)
                machine_send(machine, lines[i]);
        say_quit(machine);
}

static void talk_twice(Machine *machine)
{
        greet(machine);
        machine_command(machine, "cont");
        greet(machine); /* hangs up first; what happens meanwhile is not told later */
        machine_command(machine, "query-status");
        say_quit(machine);
}

static void talk_signal(Machine *machine)
{
        greet(machine);
        machine_command(machine, "cont");
        kill(machine->pid, SIGTERM);
        machine_await_end(machine);
}

static void talk_guest_end(Machine *machine)
{
        greet(machine);
        machine_command(machine, "cont");
        machine_await(machine, "STOP");
        machine_command(machine, "query-status");
        machine_command(machine, "cont");
        machine_command(machine, "stop");
        machine_command(machine, "query-status");
        machine_command(machine, "system_powerdown");
        say_quit(machine);
}

static void test_ordinary(void **state)
{
        compare(talk_ordinary, NULL, 0, "fake.ignore-powerdown");
}

static void test_malformed(void **state)
{
        compare(talk_malformed, NULL, 0, "");
}

static void test_second_client(void **state)
{
        compare(talk_twice, NULL, 0, "");
}

static void test_signal(void **state)
{
        compare(talk_signal, NULL, 0, "");
}

/* out 0x604, 0x2000: sleep type 0 with SLP_EN in PM1a_CNT, as q35's BIOS places it. */
static void test_guest_power_off(void **state)
{
        compare(talk_guest_end, "\xba\x04\x06\xb8\x00\x20\xef", 7, "fake.poweroff-ms=30");
}

/* out 0x64, 0xfe: the keyboard controller pulls the reset line. */
static void test_guest_reset(void **state)
{
        compare(talk_guest_end, "\xb0\xfe\xe6\x64", 4, "fake.reset-ms=30");
}

/* out 0x505, 1: pvpanic's "panicked" bit (QEMU's docs/specs/pvpanic). */
static void test_guest_panic(void **state)
{
        compare(talk_guest_end, "\xba\x05\x05\xb0\x01\xee", 6, "fake.panic-ms=30");
}

/* The message without the program's name. */
static char *refusal(const char *program, const char *const *arguments)
{
        _cleanup_free_ char *text = NULL;
        const char *name = strrchr(program, '/') + 1;
        Machine machine;
        int status;

        machine_start_bare(&machine, program, arguments);
        status = machine_wait(&machine, &text);
        machine_done(&machine);
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 1)
                fail_msg("%s: wait status %#x, not exit status 1: %s", program, status, text);
        assert_non_null(text);
        return strdup(text + (strncmp(text, name, strlen(name)) == 0 ? strlen(name) : 0));
}

static void test_refusals(void **state)
{
        static char taken[96], taken_udp[96];
        static const char *const cases[][6] = {
                {"-kernel", "/proc/self/fd/177"},
                {"-kernel", "/dev/null"},
                {"-kernel", "/nowhere/bzImage"},
                {"-chardev", "socket,id=qmp,fd=155,server=on,wait=off"},
                {"-chardev", "socket,id=qmp,fd=0,server=on,wait=off"},
                {"-mon", "chardev=qmp,mode=control"},
                {"-qmp", "chardev:qmp"},
                {"-serial", "chardev:console"},
                {"-device", "virtserialport,chardev=notify,name=io.cvmd.notify"},
                {"-fsdev", "local,id=env_fs,path=/proc/self/fd/188,security_model=mapped",
                 "-device", "virtio-9p-pci,fsdev=env_fs,mount_tag=env_share"},
                {"-fsdev", "local,id=env_fs,path=/etc/passwd,security_model=mapped", "-device",
                 "virtio-9p-pci,fsdev=env_fs,mount_tag=env_share"},
                {"-device", "virtio-9p-pci,fsdev=nope,mount_tag=x"},
                {"-netdev", taken, "-device", "virtio-net-pci,netdev=vmnic"},
                {"-netdev", taken_udp, "-device", "virtio-net-pci,netdev=vmnic"},
                {"-netdev", "user,id=vmnic,hostfwd=tcp:999.0.0.1:1-:2"},
                {"-netdev", "user,id=vmnic,hostfwd=sctp:127.0.0.1:1-:2"},
                {"-kernel"},
        };
        const char *real = real_or_skip();
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        socklen_t size = sizeof(address);
        int fds[2] = {socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0),
                      socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0)};

        assert_int_equal(bind(fds[0], (struct sockaddr *)&address, size), 0);
        assert_int_equal(listen(fds[0], 1), 0);
        assert_int_equal(getsockname(fds[0], (struct sockaddr *)&address, &size), 0);
        snprintf(taken, sizeof(taken), "user,id=vmnic,hostfwd=tcp:127.0.0.1:%u-:7002",
                 ntohs(address.sin_port));
        address.sin_port = 0;
        assert_int_equal(bind(fds[1], (struct sockaddr *)&address, size), 0);
        assert_int_equal(getsockname(fds[1], (struct sockaddr *)&address, &size), 0);
        snprintf(taken_udp, sizeof(taken_udp), "user,id=vmnic,hostfwd=udp:127.0.0.1:%u-:53",
                 ntohs(address.sin_port));

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                static const char *const common[] = {"-S",   "-nodefaults", "-display",
                                                     "none", "-machine",    "q35,accel=tcg",
                                                     "-m",   "64"};
                const char *arguments[ARRAY_SIZE(common) + 7] = {};
                _cleanup_free_ char *real_text = NULL, *fake_text = NULL;

                memcpy(arguments, common, sizeof(common));
                memcpy(arguments + ARRAY_SIZE(common), cases[i], sizeof(cases[i]));
                real_text = refusal(real, arguments);
                fake_text = refusal(fake, arguments);
                assert_string_equal(fake_text, real_text);
        }
        close(fds[0]);
        close(fds[1]);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_ordinary),        cmocka_unit_test(test_malformed),
                cmocka_unit_test(test_second_client),   cmocka_unit_test(test_signal),
                cmocka_unit_test(test_guest_power_off), cmocka_unit_test(test_guest_reset),
                cmocka_unit_test(test_guest_panic),     cmocka_unit_test(test_refusals),
        };

        if (argc != 2)
                return 2;
        fake = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
