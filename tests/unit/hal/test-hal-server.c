/* SPDX-License-Identifier: Apache-2.0 */
/* The server of lines, in a process of its own, under clients of every kind. */
#include "test.h"

#include <arpa/inet.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "server.h"

#define LINE_MAX_BYTES 1000
#define BIG_ANSWER (4 << 20)

typedef struct Fixture {
        pid_t pid;
        int stop; /* closing it ends the server */
        struct sockaddr_in address;
} Fixture;

/* Gives the line back in brackets; "big" gives much. */
static int on_line(void *userdata, const char *line, size_t size, Buffer *out)
{
        if (size == 3 && memcmp(line, "big", 3) == 0) {
                _cleanup_free_ char *much = malloc(BIG_ANSWER);

                memset(much, 'x', BIG_ANSWER);
                if (buffer_append(out, much, BIG_ANSWER) < 0)
                        return -ENOMEM;
                return buffer_append_text(out, "\n");
        }
        return buffer_appendf(out, "[%.*s]\n", (int)size, line);
}

static int on_too_long(void *userdata, Buffer *out)
{
        return buffer_append_text(out, "too long\n");
}

static void serve(int listener, int stop)
{
        ServerHandler handler = {on_line, on_too_long, LINE_MAX_BYTES, NULL, NULL, NULL};

        _exit(server_run(listener, stop, &handler) == 0 ? 0 : 1);
}

static int setup(void **state)
{
        Fixture *fixture = calloc(1, sizeof(*fixture));
        struct sockaddr_in6 bound = {};
        socklen_t size = sizeof(bound);
        int listener = server_listen(0), stop[2];

        assert_true(listener >= 0);
        assert_int_equal(getsockname(listener, (struct sockaddr *)&bound, &size), 0);
        fixture->address = (struct sockaddr_in){.sin_family = AF_INET,
                                                .sin_port = bound.sin6_port,
                                                .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
        assert_int_equal(pipe(stop), 0);
        fixture->stop = stop[1];
        fixture->pid = fork();
        assert_true(fixture->pid >= 0);
        if (fixture->pid == 0) {
                close(stop[1]);
                serve(listener, stop[0]);
        }
        close(stop[0]);
        close(listener);
        *state = fixture;
        return 0;
}

static int teardown(void **state)
{
        Fixture *fixture = *state;
        int status;

        close(fixture->stop);
        assert_int_equal(waitpid(fixture->pid, &status, 0), fixture->pid);
        assert_int_equal(status, 0);
        free(fixture);
        return 0;
}

static int dial(const Fixture *fixture)
{
        struct timeval limit = {.tv_sec = 20};
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

        assert_true(fd >= 0);
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
        assert_int_equal(
                connect(fd, (const struct sockaddr *)&fixture->address, sizeof(fixture->address)),
                0);
        return fd;
}

static void say(int fd, const char *text)
{
        assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

/* Reads exactly as much as `text` has and compares. */
static void hear(int fd, const char *text)
{
        size_t size = strlen(text);
        _cleanup_free_ char *buffer = calloc(1, size + 1);

        assert_int_equal(recv(fd, buffer, size, MSG_WAITALL), size);
        assert_string_equal(buffer, text);
}

static void hear_end(int fd)
{
        char c;
        ssize_t n = recv(fd, &c, 1, 0);

        assert_true(n == 0 || (n < 0 && errno == ECONNRESET));
        close(fd);
}

static void test_lines(void **state)
{
        int fd = dial(*state);

        say(fd, "a\n");
        hear(fd, "[a]\n");
        say(fd, "b\nc\n\nd");
        hear(fd, "[b]\n[c]\n[]\n");
        say(fd, "e\n");
        hear(fd, "[de]\n");
        say(fd, "last");
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        hear(fd, "[last]\n");
        hear_end(fd);
}

static void test_pipelined(void **state)
{
        _cleanup_(buffer_done) Buffer lines = {}, answers = {};
        int fd = dial(*state);

        for (int i = 0; i < 5000; i++) {
                assert_int_equal(buffer_appendf(&lines, "%d\n", i), 0);
                assert_int_equal(buffer_appendf(&answers, "[%d]\n", i), 0);
        }
        say(fd, lines.data);
        hear(fd, answers.data);
        assert_int_equal(shutdown(fd, SHUT_WR), 0);
        hear_end(fd);
}

static void test_too_long(void **state)
{
        char line[LINE_MAX_BYTES + 2], answer[LINE_MAX_BYTES + 4];
        int fd = dial(*state);

        memset(line, 'x', sizeof(line));
        line[LINE_MAX_BYTES] = '\n';
        line[LINE_MAX_BYTES + 1] = 0;
        snprintf(answer, sizeof(answer), "[%.*s]\n", LINE_MAX_BYTES, line);
        say(fd, line);
        hear(fd, answer);
        line[LINE_MAX_BYTES] = 'x'; /* one more, and no line feed yet */
        say(fd, line);
        hear(fd, "too long\n");
        hear_end(fd);
}

/* Who asks for much and reads nothing holds up neither others nor, once he reads, himself. */
static void test_slow_reader(void **state)
{
        int slow = dial(*state), other;
        _cleanup_free_ char *much = malloc(BIG_ANSWER + 1);

        say(slow, "big\nbig\nafter\n");
        for (int i = 0; i < 3; i++) {
                other = dial(*state);
                say(other, "x\n");
                hear(other, "[x]\n");
                close(other);
        }
        for (int i = 0; i < 2; i++) {
                assert_int_equal(recv(slow, much, BIG_ANSWER + 1, MSG_WAITALL), BIG_ANSWER + 1);
                assert_int_equal(much[BIG_ANSWER - 1], 'x');
                assert_int_equal(much[BIG_ANSWER], '\n');
        }
        hear(slow, "[after]\n");
        close(slow);
}

/* Silent clients in every place: a new one takes that of the longest silent one. */
static void test_crowd(void **state)
{
        int silent[SERVER_CLIENTS_MAX], fd;

        for (size_t i = 0; i < SERVER_CLIENTS_MAX; i++) {
                silent[i] = dial(*state);
                say(silent[i], "x\n");
                hear(silent[i], "[x]\n");
                poll(NULL, 0, 2); /* so that the clock tells them apart */
        }
        say(silent[0], "y\n");
        hear(silent[0], "[y]\n");
        fd = dial(*state);
        say(fd, "z\n");
        hear(fd, "[z]\n");
        hear_end(silent[1]);
        say(silent[0], "a\n");
        hear(silent[0], "[a]\n");
        close(silent[0]);
        for (size_t i = 2; i < SERVER_CLIENTS_MAX; i++) {
                say(silent[i], "b\n");
                hear(silent[i], "[b]\n");
                close(silent[i]);
        }
        close(fd);
}

/* Clients that vanish, at once or with a reset, leave nothing: the place is free again. */
static void test_vanishing(void **state)
{
        struct linger reset = {.l_onoff = 1, .l_linger = 0};
        int fd;

        for (int i = 0; i < 100; i++) {
                fd = dial(*state);
                if (i % 3)
                        say(fd, i % 2 ? "big\n" : "half");
                if (i % 4 == 0)
                        assert_int_equal(
                                setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)), 0);
                close(fd);
        }
        fd = dial(*state);
        say(fd, "x\n");
        hear(fd, "[x]\n");
        close(fd);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(test_lines, setup, teardown),
                cmocka_unit_test_setup_teardown(test_pipelined, setup, teardown),
                cmocka_unit_test_setup_teardown(test_too_long, setup, teardown),
                cmocka_unit_test_setup_teardown(test_slow_reader, setup, teardown),
                cmocka_unit_test_setup_teardown(test_crowd, setup, teardown),
                cmocka_unit_test_setup_teardown(test_vanishing, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
