/* SPDX-License-Identifier: Apache-2.0 */
#include "machine.h"

#include "../unit/test.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>

#include "base/json.h"

#define ARGUMENTS_MAX 64u

const char *machine_real(void)
{
        static const char path[] = "/usr/bin/qemu-system-x86_64";

        return access(path, X_OK) == 0 ? path : NULL;
}

static void spawn(Machine *machine, char *const *argv)
{
        pid_t parent = getpid();
        int pipe_fds[2];

        assert_int_equal(pipe2(pipe_fds, O_CLOEXEC), 0);
        machine->pid = fork();
        assert_true(machine->pid >= 0);
        if (machine->pid == 0) {
                /* a test that fails never comes to machine_done() */
                if (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent)
                        _exit(127);
                dup2(open("/dev/null", O_RDWR), STDIN_FILENO);
                dup2(pipe_fds[1], STDOUT_FILENO);
                dup2(pipe_fds[1], STDERR_FILENO);
                execv(argv[0], argv);
                _exit(127);
        }
        close(pipe_fds[1]);
        machine->stderr_fd = pipe_fds[0];
}

/* Listens on an address of the kernel's choice (unix(7), autobind), which is 6 bytes long. */
#define AUTOBIND_SIZE (sizeof(sa_family_t) + 6)

static int listen_somewhere(struct sockaddr_un *ret)
{
        int fd = socket(AF_UNIX, SOCK_STREAM, 0);
        socklen_t size = sizeof(*ret);

        assert_true(fd >= 0);
        assert_int_equal(bind(fd, &(struct sockaddr){.sa_family = AF_UNIX}, sizeof(sa_family_t)),
                         0);
        assert_int_equal(listen(fd, 8), 0);
        assert_int_equal(getsockname(fd, (struct sockaddr *)ret, &size), 0);
        assert_int_equal(size, AUTOBIND_SIZE);
        return fd;
}

void machine_start(Machine *machine, const char *program, const char *const *extra)
{
        static const char *const ids[] = {"qmp", "console", "notify"};
        static const char *const common[] = {
                "-S",         "-no-shutdown",
                "-no-reboot", "-nodefaults",
                "-display",   "none",
                "-machine",   "q35,accel=tcg",
                "-m",         "128",
                "-mon",       "chardev=qmp,mode=control",
                "-serial",    "chardev:console",
                "-device",    "virtio-serial-pci",
                "-device",    "virtserialport,chardev=notify,name=io.cvmd.notify",
        };
        char chardevs[3][64];
        const char *argv[ARGUMENTS_MAX];
        int listeners[3];
        size_t n = 0;

        *machine = (Machine){.qmp = -1, .stderr_fd = -1};
        argv[n++] = program;
        for (size_t i = 0; i < 3; i++) {
                listeners[i] = listen_somewhere(&machine->address[i]);
                snprintf(chardevs[i], sizeof(chardevs[i]), "socket,id=%s,fd=%d,server=on,wait=off",
                         ids[i], listeners[i]);
                argv[n++] = "-chardev";
                argv[n++] = chardevs[i];
        }
        for (size_t i = 0; i < ARRAY_SIZE(common); i++)
                argv[n++] = common[i];
        for (; extra && *extra; extra++) {
                assert_true(n < ARGUMENTS_MAX - 1);
                argv[n++] = *extra;
        }
        argv[n] = NULL;
        spawn(machine, (char *const *)argv);
        for (size_t i = 0; i < 3; i++)
                close(listeners[i]);
}

void machine_start_bare(Machine *machine, const char *program, const char *const *arguments)
{
        const char *argv[ARGUMENTS_MAX] = {program};

        *machine = (Machine){.qmp = -1, .stderr_fd = -1};
        for (size_t n = 1; *arguments; n++) {
                assert_true(n < ARGUMENTS_MAX - 1);
                argv[n] = *arguments++;
        }
        spawn(machine, (char *const *)argv);
}

int machine_connect(const Machine *machine, MachineSocket which)
{
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_int_equal(
                connect(fd, (const struct sockaddr *)&machine->address[which], AUTOBIND_SIZE), 0);
        return fd;
}

static int64_t now_msec(void)
{
        struct timespec now;

        clock_gettime(CLOCK_MONOTONIC, &now);
        return now.tv_sec * 1000ll + now.tv_nsec / 1000000;
}

/* Reads some; false at the end. */
static bool read_more(int fd, Buffer *to)
{
        char bytes[65536];
        ssize_t n;

        if (poll(&(struct pollfd){.fd = fd, .events = POLLIN}, 1, MACHINE_WAIT_MSEC) != 1)
                fail_msg("nothing came within %d ms after: %s", MACHINE_WAIT_MSEC,
                         to->data ?: "(nothing)");
        n = read(fd, bytes, sizeof(bytes));
        if (n < 0)
                assert_int_equal(errno, ECONNRESET);
        if (n > 0)
                assert_int_equal(buffer_append(to, bytes, (size_t)n), 0);
        return n > 0;
}

char *read_until(int fd, const char *text)
{
        Buffer all = {};

        while (!text || !all.data || !memmem(all.data, all.size, text, strlen(text)))
                if (!read_more(fd, &all)) {
                        if (text)
                                fail_msg("the end came before \"%s\": %s", text, all.data ?: "");
                        break;
                }
        return buffer_take(&all);
}

/* One message; NULL at the end. */
static json_object *read_message(Machine *machine)
{
        json_object *message;
        const char *end;

        while (!machine->input.data ||
               !(end = memchr(machine->input.data, '\n', machine->input.size)))
                if (!read_more(machine->qmp, &machine->input)) {
                        assert_int_equal(machine->input.size, 0);
                        return NULL;
                }
        assert_int_equal(end[-1], '\r');
        assert_int_equal(json_parse(machine->input.data, (size_t)(end - machine->input.data),
                                    &message, NULL),
                         0);
        buffer_consume(&machine->input, (size_t)(end - machine->input.data) + 1);
        return message;
}

/* Writes a message down without what differs from run to run. */
static void write_down(Machine *machine, json_object *message)
{
        json_object *greeting = json_member(message, "QMP"), *result;

        json_object_object_del(message, "timestamp");
        if (greeting)
                json_object_object_del(greeting, "version");
        result = json_member(message, "return");
        if (json_object_is_type(result, json_type_object) && json_member(result, "qemu"))
                json_object_object_add(message, "return", json_object_new_string("(version)"));
        assert_int_equal(buffer_appendf(&machine->transcript, "< %s\n", json_text(message)), 0);
}

void machine_await_greeting(Machine *machine)
{
        _cleanup_json_ json_object *greeting = read_message(machine);

        assert_non_null(greeting);
        assert_non_null(json_member(greeting, "QMP"));
        write_down(machine, greeting);
}

void machine_greet(Machine *machine)
{
        closep(&machine->qmp);
        machine->qmp = machine_connect(machine, MACHINE_QMP);
        machine_await_greeting(machine);
}

void machine_send(Machine *machine, const char *line)
{
        assert_int_equal(buffer_appendf(&machine->transcript, "> %s\n", line), 0);
        assert_true(dprintf(machine->qmp, "%s\n", line) > 0);
        for (;;) {
                _cleanup_json_ json_object *message = read_message(machine);

                if (!message)
                        fail_msg("the end instead of an answer to %s", line);
                write_down(machine, message);
                if (!json_member(message, "event"))
                        return;
        }
}

void machine_command(Machine *machine, const char *command)
{
        _cleanup_free_ char *line = NULL;

        assert_true(asprintf(&line, "{\"execute\": \"%s\", \"id\": 7}", command) > 0);
        machine_send(machine, line);
}

void machine_await(Machine *machine, const char *event)
{
        for (;;) {
                _cleanup_json_ json_object *message = read_message(machine);

                if (!message)
                        fail_msg("the end instead of %s", event);
                write_down(machine, message);
                if (strcmp(json_member_string(message, "event") ?: "", event) == 0)
                        return;
        }
}

void machine_await_end(Machine *machine)
{
        for (;;) {
                _cleanup_json_ json_object *message = read_message(machine);

                if (!message)
                        break;
                write_down(machine, message);
        }
        assert_int_equal(buffer_append_text(&machine->transcript, "< end\n"), 0);
}

int machine_wait(Machine *machine, char **ret_stderr)
{
        int64_t end = now_msec() + MACHINE_WAIT_MSEC;
        int status = -1;

        while (waitpid(machine->pid, &status, WNOHANG) == 0) {
                if (now_msec() > end)
                        fail_msg("process %d has not ended", (int)machine->pid);
                poll(NULL, 0, 2);
        }
        machine->pid = 0;
        if (ret_stderr)
                *ret_stderr = read_until(machine->stderr_fd, NULL);
        return status;
}

void machine_done(Machine *machine)
{
        if (machine->pid > 0) {
                kill(machine->pid, SIGKILL);
                waitpid(machine->pid, NULL, 0);
        }
        closep(&machine->qmp);
        closep(&machine->stderr_fd);
        buffer_done(&machine->input);
        buffer_done(&machine->transcript);
        *machine = (Machine){.qmp = -1, .stderr_fd = -1};
}
