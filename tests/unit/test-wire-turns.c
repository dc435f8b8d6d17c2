/* SPDX-License-Identifier: Apache-2.0 */

/* What many connections get of a turn of the loop and of memory, and what a closing one still
 * sends. */

#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <malloc.h>
#include <stdatomic.h>
#include <sys/resource.h>

#include "base/socket.h"
#include "wire.h"

#define KIB 1024u
#define A_TURN (512 * KIB) /* bytes of large outputs */

static atomic_uint n_trims;

/* In the place of libc's. */
int malloc_trim(size_t pad)
{
        n_trims++;
        return 0;
}

/* Answers with as many bytes of text as asked for. */
static int on_text(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Wire *w = userdata;
        size_t size = (size_t)json_member_int(parameters, "size", 0);
        _cleanup_free_ char *text = malloc(size + 1);

        memset(text, 'x', size);
        w->n_calls++;
        wire_call_reply(call, json_build("x", json_object_new_string_len(text, (int)size), NULL));
        return 0;
}

static const WireMethod methods[] = {{"t.Text", on_text}, {"t.Hold", wire_hold}, {}};

static void ask(Wire *w, int fd, size_t size)
{
        char call[96];

        snprintf(call, sizeof(call), "{\"method\":\"t.Text\",\"parameters\":{\"size\":%zu}}", size);
        wire_send(w, fd, call);
}

static void expect_text(Wire *w, int fd, size_t size)
{
        _cleanup_free_ char *reply = wire_receive(w, fd);

        assert_non_null(reply);
        assert_int_equal(strlen(reply), size + strlen("{\"parameters\":{\"x\":\"\"}}"));
}

static int connect_as_user(Wire *w)
{
        uid_t uid = geteuid();
        int fd;

        if (uid == 0)
                assert_int_equal(seteuid(65534), 0);
        fd = wire_connect(w);
        assert_int_equal(seteuid(uid), 0);
        return fd;
}

/* Of all connections of an account only so many replies are made in a turn; another account's is
 * made in the same turn, and all come in the end. */
static void test_replies_are_made_in_turns(void **state)
{
        enum { N = 64, CALLS = 80, SIZE = 4096, MADE = 64 * KIB };
        Wire *w = wire_start_methods(methods);
        int fds[N], other = connect_as_user(w);
        size_t before;

        for (int i = 0; i < N; i++) {
                fds[i] = wire_connect(w);
                for (int k = 0; k < CALLS; k++)
                        ask(w, fds[i], SIZE);
        }
        uv_run(&w->test.loop, UV_RUN_NOWAIT);
        assert_in_range(w->n_calls, 1, MADE / SIZE);
        if (geteuid() == 0) { /* else it is of the same account */
                uv_run(&w->test.loop, UV_RUN_NOWAIT);
                before = w->n_calls;
                ask(w, other, SIZE);
                uv_run(&w->test.loop, UV_RUN_NOWAIT);
                assert_in_range(w->n_calls, before + 1, before + MADE / SIZE + 1);
                assert_true(recv(other, &(char){0}, 1, MSG_PEEK | MSG_DONTWAIT) == 1);
        }
        for (int k = 0; k < CALLS; k++)
                for (int i = 0; i < N; i++)
                        expect_text(w, fds[i], SIZE);
        for (int i = 0; i < N; i++)
                close(fds[i]);
        close(other);
        wire_stop(w);
}

static size_t count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        size_t n = 0;

        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

/* To look at a descriptor takes time as well: those of all connections of an account are received
 * in turns, too. */
static void test_descriptors_are_received_in_turns(void **state)
{
        enum { N = 12, FDS = 64 };
        Wire *w = wire_start_methods(methods);
        int fds[N], sent[FDS], top = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        size_t before;

        for (int i = 0; i < FDS; i++)
                sent[i] = top;
        for (int i = 0; i < N; i++)
                fds[i] = wire_connect(w);
        test_loop_until(&w->test, wire_server_connections(w->server) == N);
        for (int i = 0; i < N; i++)
                assert_int_equal(socket_send(fds[i], "{", 1, sent, FDS, 0), 1);
        close(top);
        before = count_fds();
        uv_run(&w->test.loop, UV_RUN_NOWAIT);
        assert_in_range(count_fds(), before + FDS, before + 2 * FDS);
        for (int i = 0; i < N; i++)
                uv_run(&w->test.loop, UV_RUN_NOWAIT);
        assert_true(count_fds() >= before + 4 * FDS); /* up to what an account may have */
        for (int i = 0; i < N; i++)
                close(fds[i]);
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        wire_stop(w);
}

/* Reads what is there and returns how much that was. */
static size_t read_all(int fd)
{
        static char buffer[256 * KIB];
        size_t sum = 0;
        ssize_t n;

        while ((n = recv(fd, buffer, sizeof(buffer), MSG_DONTWAIT)) > 0)
                sum += (size_t)n;
        return sum;
}

/* However fast the first ones read, each is sent something before any is twice. */
static void test_large_outputs_take_turns(void **state)
{
        enum { N = 32, SIZE = 2 << 20, TURNS = 12 };
        Wire *w = wire_start_methods(methods);
        int fds[N];
        size_t got[N] = {};

        for (int i = 0; i < N; i++) {
                fds[i] = wire_connect(w);
                ask(w, fds[i], SIZE);
        }
        test_loop_until(&w->test, w->n_calls == N);
        for (int i = 0; i < N; i++)
                read_all(fds[i]);
        for (int turn = 0; turn < TURNS; turn++) {
                uv_run(&w->test.loop, UV_RUN_NOWAIT);
                for (int i = 0; i < N; i++)
                        got[i] += read_all(fds[i]);
        }
        for (int i = 0; i < N; i++) {
                assert_in_range(got[i], 64 * KIB, A_TURN);
                close(fds[i]);
        }
        wire_stop(w);
}

/* Once for all large replies of a second, in which the loop is not stopped by it. */
static void test_memory_is_given_back_at_times(void **state)
{
        enum { SIZE = 256 * KIB, N = 20 };
        Wire *w = wire_start_methods(methods);
        int fd = wire_connect(w);

        n_trims = 0;
        for (int i = 0; i < N; i++) {
                ask(w, fd, SIZE);
                expect_text(w, fd, SIZE);
        }
        assert_in_range(n_trims, 0, 1); /* 1 on a machine that is slow */
        test_loop_until(&w->test, n_trims > 0);
        test_loop_for(&w->test, 1500);
        assert_int_equal(n_trims, 1); /* there was nothing more */
        close(fd);
        wire_stop(w);
}

/* No connection has much unsent, but all together do. */
static void test_many_small_outputs(void **state)
{
        enum { N = 200, SIZE = 300 << 10, ALLOCATED = 512 << 10, LEFT = (64 << 20) / ALLOCATED };
        Wire *w = wire_start_methods(methods);
        int fds[N], n_open = 0;
        struct rlimit limit;

        assert_int_equal(getrlimit(RLIMIT_NOFILE, &limit), 0);
        limit.rlim_cur = limit.rlim_max;
        assert_int_equal(setrlimit(RLIMIT_NOFILE, &limit), 0);
        for (int i = 0; i < N; i++) {
                fds[i] = connect_as_user(w);
                ask(w, fds[i], SIZE);
                test_loop_until(&w->test, w->n_calls == (size_t)i + 1);
        }
        test_loop_until(&w->test, wire_server_connections(w->server) <= LEFT);
        test_loop_for(&w->test, 5);
        assert_int_equal(wire_server_connections(w->server), LEFT);

        /* what is read, or whose client goes, is not counted any more */
        for (int i = 0; i < N; i++) {
                struct pollfd p = {.fd = fds[i]};

                assert_true(poll(&p, 1, 0) >= 0);
                if (!(p.revents & POLLHUP) && n_open++ % 2)
                        expect_text(w, fds[i], SIZE);
                close(fds[i]);
        }
        assert_int_equal(n_open, LEFT);
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        for (int i = 0; i < LEFT; i++) {
                fds[i] = connect_as_user(w);
                ask(w, fds[i], SIZE);
                test_loop_until(&w->test, w->n_calls == (size_t)N + (size_t)i + 1);
        }
        test_loop_for(&w->test, 5);
        assert_int_equal(wire_server_connections(w->server), LEFT);
        for (int i = 0; i < LEFT; i++)
                close(fds[i]);
        wire_stop(w);
}

/* A refusal comes behind replies of more than is sent in a turn. */
static void test_refusal_is_sent(void **state)
{
        enum { SIZE = 150 << 10 };
        _cleanup_free_ char *junk = malloc(WIRE_MESSAGE_SMALL_MAX + 1), *reply = NULL;
        Wire *w = wire_start_methods(methods);
        int fd = wire_connect(w);

        ask(w, fd, SIZE);
        memset(junk, ' ', WIRE_MESSAGE_SMALL_MAX + 1);
        wire_send_bytes(w, fd, junk, WIRE_MESSAGE_SMALL_MAX + 1);
        wire_send_bytes(w, fd, "", 1);
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        expect_text(w, fd, SIZE);
        reply = wire_receive(w, fd);
        assert_non_null(reply);
        assert_non_null(strstr(reply, "QuotaExceeded"));
        wire_expect_end(w, fd);
        close(fd);
        wire_stop(w);
}

static void reply_held(Wire *w, size_t size)
{
        WireCall *call = wire_release(w);
        _cleanup_free_ char *text = malloc(size);

        memset(text, 'x', size);
        wire_call_reply(call, json_build("x", json_object_new_string_len(text, (int)size), NULL));
        wire_call_unref(call);
}

static void hold(Wire *w, int fd)
{
        size_t n = w->n_held;

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == n + 1);
}

/* A stream of which nothing may be sent in a turn is not asked for more in it, but in the next. */
static void test_streams_take_turns(void **state)
{
        enum { N = 9, SIZE = 100 << 10 };
        Wire *w = wire_start_methods(methods);
        _cleanup_free_ char *text = malloc(SIZE);
        int fds[N];

        memset(text, 'x', SIZE);
        for (int i = 0; i < N; i++) {
                fds[i] = wire_connect(w);
                hold(w, fds[i]);
        }
        for (int i = 0; i < N - 1; i++)
                reply_held(w, SIZE);
        wire_call_continue(w->held[0],
                           json_build("x", json_object_new_string_len(text, SIZE), NULL));
        wire_call_on_drained(w->held[0], wire_count_gone, w);
        uv_run(&w->test.loop, UV_RUN_NOWAIT);
        assert_int_equal(w->n_gone, 0);
        test_loop_until(&w->test, w->n_gone == 1);
        for (int i = 0; i < N; i++)
                close(fds[i]);
        wire_stop(w);
}

/* The last replies before the server closes, although others were sent all of this turn. */
static void test_last_replies_are_sent(void **state)
{
        enum { N = 9, SIZE = 100 << 10 };
        Wire *w = wire_start_methods(methods);
        int fds[N];
        char c;

        for (int i = 0; i < N; i++) {
                fds[i] = wire_connect(w);
                hold(w, fds[i]);
        }
        for (int i = 0; i < N; i++)
                reply_held(w, SIZE);
        assert_int_equal(recv(fds[N - 1], &c, 1, MSG_PEEK | MSG_DONTWAIT), -1);
        wire_server_close(TAKE_PTR(w->server));
        for (int i = 0; i < N; i++) {
                expect_text(w, fds[i], SIZE);
                wire_expect_end(w, fds[i]);
                close(fds[i]);
        }
        wire_stop(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_replies_are_made_in_turns),
                cmocka_unit_test(test_descriptors_are_received_in_turns),
                cmocka_unit_test(test_large_outputs_take_turns),
                cmocka_unit_test(test_memory_is_given_back_at_times),
                cmocka_unit_test(test_many_small_outputs),
                cmocka_unit_test(test_streams_take_turns),
                cmocka_unit_test(test_refusal_is_sent),
                cmocka_unit_test(test_last_replies_are_sent),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
