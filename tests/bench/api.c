/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a call costs. Usage: api [--socket PATH --name NAME] [--seconds S]
 *
 * In turn, in many short rounds of S seconds together for each: raw echo of a Status call's bytes
 * over a Unix socket (a child that reads and writes, nothing else), Status one call at a time,
 * Status pipelined. Prints the medians of the rates and of the rounds' ratios, which other load on
 * the machine disturbs less; fails if Status reaches less than 40 % of the echo's rate, or
 * pipelined less than twice that of one at a time. Without --socket a child serves a reply of the
 * same kind.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/memfd.h"
#include "base/text.h"
#include "wire/message.h"
#include "wire/server.h"

#define ROUNDS 15
#define WINDOW 256 /* calls in flight when pipelining */
#define BATCH 128  /* … sent at once */
#define ECHO_SHARE_MIN 0.40
#define PIPELINE_GAIN_MIN 2.0

static _Noreturn void die(const char *what)
{
        perror(what);
        exit(1);
}

static double now(void)
{
        struct timespec t;

        clock_gettime(CLOCK_MONOTONIC, &t);
        return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

/* A child that ends with this process. */
static pid_t start_child(void)
{
        pid_t parent = getpid(), pid = fork();

        if (pid < 0)
                die("fork");
        if (pid == 0 && (prctl(PR_SET_PDEATHSIG, SIGKILL) < 0 || getppid() != parent))
                _exit(1);
        return pid;
}

static pid_t start_echo(int *ret)
{
        int fds[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                die("socketpair");
        pid = start_child();
        if (pid == 0) {
                char data[65536];
                ssize_t n;

                close(fds[0]);
                while ((n = read(fds[1], data, sizeof(data))) > 0)
                        if (fd_write_all(fds[1], data, (size_t)n) < 0)
                                break;
                _exit(0);
        }
        close(fds[1]);
        *ret = fds[0];
        return pid;
}

/* As many members as a running CVM has. */
static int on_status(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        json_object *forwards = json_object_new_array(), *cvm;
        static const char digest[] =
                "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08";

        json_object_array_add(forwards,
                              json_build("address", json_object_new_string("127.0.0.1"), "hostPort",
                                         json_object_new_int(6100), "guestPort",
                                         json_object_new_int(7002), "protocol",
                                         json_object_new_string("tcp"), NULL));
        cvm = json_build(
                "name", json_object_new_string(json_member_string(parameters, "name") ?: ""), "id",
                json_object_new_string("6d1e3f0a-8f2c-4f6b-9a57-0e5b6c1f2d33"), "platform",
                json_object_new_string("plain"), "driver", json_object_new_string("qemu"), "state",
                json_object_new_string("running"), "ready", json_object_new_boolean(true), "owner",
                json_object_new_int(1000), "cpus", json_object_new_int(2), "memory",
                json_object_new_int64(2147483648), "pid", json_object_new_int(4242), "forwards",
                forwards, "debug", json_object_new_boolean(false), "createdAt",
                json_object_new_int64(1700000000000000), "startedAt",
                json_object_new_int64(1700000000000000), "readyAt",
                json_object_new_int64(1700000000000000), "artifacts",
                json_build("kernel", json_object_new_string(digest), "initramfs",
                           json_object_new_string(digest), NULL),
                "measurement", json_object_new_object(), NULL);
        wire_call_reply(call, json_build("cvm", cvm, NULL));
        return 0;
}

static pid_t start_server(int *ret)
{
        static const WireMethod methods[] = {{"io.cvmd.Manager.Status", on_status}, {}};
        static const WireInterface interface = {"io.cvmd.Manager", "", methods};
        static const WireServerInfo info = {"cvmd", "bench", CVMD_VERSION, ""};
        WireServer *server;
        uv_loop_t loop;
        int fds[2];
        pid_t pid;

        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds) < 0)
                die("socketpair");
        pid = start_child();
        if (pid == 0) {
                close(fds[0]);
                if (uv_loop_init(&loop) < 0 ||
                    wire_server_new(&loop, &info, &interface, 1, NULL, &server) < 0 ||
                    wire_server_add_connection(server, fds[1]) < 0)
                        _exit(1);
                uv_run(&loop, UV_RUN_DEFAULT);
                _exit(0);
        }
        close(fds[1]);
        *ret = fds[0];
        return pid;
}

static int connect_to(const char *path)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

        if (strlen(path) >= sizeof(address.sun_path))
                errno = ENAMETOOLONG, die(path);
        memcpy(address.sun_path, path, strlen(path) + 1);
        if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof(address)) < 0)
                die(path);
        return fd;
}

static void send_all(int fd, const char *data, size_t size)
{
        if (fd_write_all(fd, data, size) < 0)
                die("send");
}

/* Reads at least `wanted` whole messages; returns how many. */
static size_t receive(int fd, size_t wanted)
{
        static char data[262144];
        size_t got = 0;

        while (got < wanted) {
                ssize_t n = recv(fd, data, sizeof(data), 0);

                if (n <= 0)
                        die("receive");
                for (char *p = data; (p = memchr(p, 0, (size_t)(data + n - p))); p++)
                        got++;
        }
        return got;
}

/* Calls a second. */
static double one_at_a_time(int fd, const Buffer *call, double seconds)
{
        double start = now(), end = start + seconds;
        size_t n = 0;

        while (now() < end) {
                send_all(fd, call->data, call->size);
                n += receive(fd, 1);
        }
        return (double)n / (now() - start);
}

static double pipelined(int fd, const Buffer *call, double seconds)
{
        _cleanup_(buffer_done) Buffer batch = {};
        size_t n = 0, in_flight = 0;
        double start, end;

        for (int i = 0; i < BATCH; i++)
                if (buffer_append(&batch, call->data, call->size) < 0)
                        die("batch");
        start = now();
        end = start + seconds;
        while (now() < end || in_flight) {
                size_t got;

                while (in_flight + BATCH <= WINDOW && now() < end) {
                        send_all(fd, batch.data, batch.size);
                        in_flight += BATCH;
                }
                if (!in_flight)
                        break;
                got = receive(fd, 1);
                in_flight -= got;
                n += got;
        }
        return (double)n / (now() - start);
}

/* The rates are of answers, not of errors. */
static void check_status(int fd, const Buffer *call)
{
        _cleanup_(buffer_done) Buffer reply = {};
        _cleanup_(wire_message_reply_done) WireMessageReply parsed = {};
        char c;

        send_all(fd, call->data, call->size);
        while (recv(fd, &c, 1, 0) == 1 && c)
                if (buffer_append(&reply, &c, 1) < 0)
                        die("reply");
        if (!reply.data || wire_message_parse_reply(reply.data, reply.size, &parsed) < 0 ||
            parsed.error) {
                fprintf(stderr, "Status: %s\n", reply.data ?: "no answer");
                exit(1);
        }
        printf("call %zu bytes, reply %zu bytes\n", call->size, reply.size + 1);
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

static double median(double values[static ROUNDS])
{
        qsort(values, ROUNDS, sizeof(values[0]), compare);
        return values[ROUNDS / 2];
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                                {"name", required_argument, NULL, 'n'},
                                                {"seconds", required_argument, NULL, 't'},
                                                {}};
        const char *path = NULL, *name = "bench";
        double echo[ROUNDS], one[ROUNDS], many[ROUNDS], share[ROUNDS], gain[ROUNDS], seconds = 3;
        _cleanup_json_ json_object *parameters = NULL;
        _cleanup_(buffer_done) Buffer call = {};
        int echo_fd, fd, c;
        pid_t echo_pid, server_pid = 0;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == 's')
                        path = optarg;
                else if (c == 'n')
                        name = optarg;
                else if (c == 't')
                        seconds = strtod(optarg, NULL);
                else
                        return 2;
        }

        parameters = json_build("name", json_object_new_string(name), NULL);
        if (wire_message_append_call(&call, "io.cvmd.Manager.Status", parameters, WIRE_CALL_PLAIN) <
            0)
                die("call");
        echo_pid = start_echo(&echo_fd);
        if (path)
                fd = connect_to(path);
        else
                server_pid = start_server(&fd);
        check_status(fd, &call);

        for (int i = 0; i < ROUNDS; i++) {
                echo[i] = one_at_a_time(echo_fd, &call, seconds / ROUNDS);
                one[i] = one_at_a_time(fd, &call, seconds / ROUNDS);
                many[i] = pipelined(fd, &call, seconds / ROUNDS);
                share[i] = one[i] / echo[i];
                gain[i] = many[i] / one[i];
        }
        printf("raw echo              %8.0f/s\n", median(echo));
        printf("Status one at a time  %8.0f/s  %.0f %% of echo (at least 40)\n", median(one),
               100 * median(share));
        printf("Status pipelined      %8.0f/s  %.1f times one at a time (at least 2)\n",
               median(many), median(gain));

        close(echo_fd);
        close(fd);
        waitpid(echo_pid, NULL, 0);
        if (server_pid) {
                kill(server_pid, SIGTERM);
                waitpid(server_pid, NULL, 0);
        }
        return median(share) < ECHO_SHARE_MIN || median(gain) < PIPELINE_GAIN_MIN;
}
