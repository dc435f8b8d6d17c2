/* SPDX-License-Identifier: Apache-2.0 */

/*
 * What a call costs. Usage: bench-api [--socket PATH --name NAME [--libvirt URI]] [--seconds S]
 *
 * In turn, in many short rounds of S seconds together for each: raw echo of a Status call's bytes
 * over a Unix socket (a child that reads and writes, nothing else), Status one call at a time,
 * pipelined, and on 50 connections at once; with --libvirt also virDomainGetInfo one at a time, by
 * 50 threads on one connection (libvirt's way to pipeline) and on 50 connections, List and
 * virConnectListAllDomains. Prints the medians of the rates and of the rounds' ratios, which other
 * load on the machine disturbs less; the exit status is 1 if a ratio is below its bound. Without
 * --socket a child serves a reply of the same kind. tests/bench/api starts cvmd and libvirtd for
 * it.
 */

#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <time.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/memfd.h"
#include "base/text.h"
#include "libvirt_rate.h"
#include "wire/message.h"
#include "wire/server.h"

#define ROUNDS 15
#define WINDOW 256 /* calls in flight when pipelining */
#define BATCH 128  /* … sent at once */
#define CONNECTIONS 50

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

/* A call in flight on each connection. */
static double on_connections(const int fds[static CONNECTIONS], const Buffer *call, double seconds)
{
        struct epoll_event events[CONNECTIONS];
        int poll = epoll_create1(EPOLL_CLOEXEC);
        size_t n = 0, in_flight = CONNECTIONS;
        double start = now(), end = start + seconds;

        for (int i = 0; i < CONNECTIONS; i++) {
                struct epoll_event event = {.events = EPOLLIN, .data.fd = fds[i]};

                if (epoll_ctl(poll, EPOLL_CTL_ADD, fds[i], &event) < 0)
                        die("epoll");
                send_all(fds[i], call->data, call->size);
        }
        while (in_flight > 0) {
                int ready = epoll_wait(poll, events, CONNECTIONS, -1);
                bool again = now() < end;

                for (int i = 0; i < ready; i++) {
                        n += receive(events[i].data.fd, 1);
                        if (again)
                                send_all(events[i].data.fd, call->data, call->size);
                        else
                                in_flight--;
                }
        }
        close(poll);
        return (double)n / (now() - start);
}

static int compare(const void *a, const void *b)
{
        double x = *(const double *)a, y = *(const double *)b;

        return (x > y) - (x < y);
}

/* What is measured, in this order in each round. */
typedef enum Kind {
        RATE_ECHO,
        RATE_ONE,
        RATE_PIPELINED,
        RATE_MANY,
        RATE_LIST,
        RATE_VIR_ONE,
        RATE_VIR_THREADS,
        RATE_VIR_MANY,
        RATE_VIR_LIST,
        _KIND_MAX
} Kind;

static const char *const kind_names[_KIND_MAX] = {
        [RATE_ECHO] = "raw echo",
        [RATE_ONE] = "Status, one at a time",
        [RATE_PIPELINED] = "Status, pipelined",
        [RATE_MANY] = "Status, 50 connections",
        [RATE_LIST] = "List, one at a time",
        [RATE_VIR_ONE] = "virDomainGetInfo, one at a time",
        [RATE_VIR_THREADS] = "virDomainGetInfo, 50 threads on one connection",
        [RATE_VIR_MANY] = "virDomainGetInfo, 50 connections",
        [RATE_VIR_LIST] = "virConnectListAllDomains, one at a time",
};

static const struct {
        Kind of, to;
        double min; /* 0: for information */
} bounds[] = {
        {RATE_ONE, RATE_ECHO, 0.4},    {RATE_PIPELINED, RATE_ONE, 2},
        {RATE_ONE, RATE_VIR_ONE, 1.5}, {RATE_PIPELINED, RATE_VIR_ONE, 4},
        {RATE_MANY, RATE_VIR_MANY, 4}, {RATE_PIPELINED, RATE_VIR_THREADS, 0},
        {RATE_LIST, RATE_VIR_LIST, 0},
};

typedef struct Bench {
        int echo, fd, fds[CONNECTIONS]; /* fds: -1 without a socket's path */
        Buffer status, list;
        LibvirtRate *libvirt;
        double seconds; /* of a round of one kind */
        double rates[_KIND_MAX][ROUNDS];
} Bench;

static bool is_measured(const Bench *bench, Kind kind)
{
        if (kind >= RATE_VIR_ONE)
                return bench->libvirt != NULL;
        return kind < RATE_MANY || bench->fds[0] >= 0;
}

static double measure(Bench *bench, Kind kind)
{
        switch (kind) {
        case RATE_ECHO:
                return one_at_a_time(bench->echo, &bench->status, bench->seconds);
        case RATE_ONE:
                return one_at_a_time(bench->fd, &bench->status, bench->seconds);
        case RATE_PIPELINED:
                return pipelined(bench->fd, &bench->status, bench->seconds);
        case RATE_MANY:
                return on_connections(bench->fds, &bench->status, bench->seconds);
        case RATE_LIST:
                return one_at_a_time(bench->fd, &bench->list, bench->seconds);
        case RATE_VIR_ONE:
                return libvirt_rate_info(bench->libvirt, bench->seconds);
        case RATE_VIR_THREADS:
                return libvirt_rate_info_threads(bench->libvirt, CONNECTIONS, bench->seconds);
        case RATE_VIR_MANY:
                return libvirt_rate_info_connections(bench->libvirt, bench->seconds);
        case RATE_VIR_LIST:
                return libvirt_rate_list(bench->libvirt, bench->seconds);
        default:
                abort();
        }
}

static double median(const double values[static ROUNDS])
{
        double sorted[ROUNDS];

        memcpy(sorted, values, sizeof(sorted));
        qsort(sorted, ROUNDS, sizeof(sorted[0]), compare);
        return sorted[ROUNDS / 2];
}

/* Returns whether all bounds are kept. */
static bool report(const Bench *bench)
{
        bool good = true;

        for (Kind kind = 0; kind < _KIND_MAX; kind++)
                if (is_measured(bench, kind))
                        printf("%-48s %8.0f/s\n", kind_names[kind], median(bench->rates[kind]));
        for (size_t i = 0; i < ARRAY_SIZE(bounds); i++) {
                double ratios[ROUNDS];

                if (!is_measured(bench, bounds[i].of) || !is_measured(bench, bounds[i].to))
                        continue;
                for (int round = 0; round < ROUNDS; round++)
                        ratios[round] = bench->rates[bounds[i].of][round] /
                                        bench->rates[bounds[i].to][round];
                printf("%s : %s = %.2f", kind_names[bounds[i].of], kind_names[bounds[i].to],
                       median(ratios));
                if (bounds[i].min > 0)
                        printf(" (at least %g)", bounds[i].min);
                printf("\n");
                good = good && median(ratios) >= bounds[i].min;
        }
        return good;
}

static void append_call(Buffer *buffer, const char *method, json_object *parameters)
{
        if (wire_message_append_call(buffer, method, parameters, WIRE_CALL_PLAIN) < 0)
                die("call");
        json_object_put(parameters);
}

static void open_connections(Bench *bench, const char *path)
{
        for (int i = 0; i < CONNECTIONS; i++)
                bench->fds[i] = path ? connect_to(path) : -1;
}

int main(int argc, char **argv)
{
        static const struct option options[] = {{"socket", required_argument, NULL, 's'},
                                                {"name", required_argument, NULL, 'n'},
                                                {"libvirt", required_argument, NULL, 'l'},
                                                {"seconds", required_argument, NULL, 't'},
                                                {}};
        const char *path = NULL, *name = "bench", *uri = NULL;
        static Bench bench;
        pid_t echo_pid, server_pid = 0;
        double seconds = 3;
        bool good;
        int c;

        while ((c = getopt_long(argc, argv, "", options, NULL)) >= 0) {
                if (c == 's')
                        path = optarg;
                else if (c == 'n')
                        name = optarg;
                else if (c == 'l')
                        uri = optarg;
                else if (c == 't')
                        seconds = strtod(optarg, NULL);
                else
                        return 2;
        }

        append_call(&bench.status, "io.cvmd.Manager.Status",
                    json_build("name", json_object_new_string(name), NULL));
        append_call(&bench.list, "io.cvmd.Manager.List", NULL);
        bench.seconds = seconds / ROUNDS;
        echo_pid = start_echo(&bench.echo);
        if (path)
                bench.fd = connect_to(path);
        else
                server_pid = start_server(&bench.fd);
        check_status(bench.fd, &bench.status);
        open_connections(&bench, path);
        bench.libvirt = uri ? libvirt_rate_new(uri, CONNECTIONS) : NULL;

        for (int round = 0; round < ROUNDS; round++)
                for (Kind kind = 0; kind < _KIND_MAX; kind++)
                        if (is_measured(&bench, kind))
                                bench.rates[kind][round] = measure(&bench, kind);
        good = report(&bench);

        close(bench.echo);
        close(bench.fd);
        waitpid(echo_pid, NULL, 0);
        if (server_pid) {
                kill(server_pid, SIGTERM);
                waitpid(server_pid, NULL, 0);
        }
        buffer_done(&bench.status);
        buffer_done(&bench.list);
        return good ? 0 : 1;
}
