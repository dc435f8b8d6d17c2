/* SPDX-License-Identifier: Apache-2.0 */

/* What a client may do to its connection: sizes, pauses, descriptors, upgrades. */

#include "test.h"

#include "base/heap.h"
#include "wire.h"

/* Each byte by itself, and the end of one message with the start of the next. */
static void test_pieces(void **state)
{
        static const char message[] = "{\"method\":\"t.Echo\",\"parameters\":{\"a\":\"b\"}}";
        Wire *w = wire_start();
        int fd = wire_connect(w);

        for (int i = 0; i < 3; i++) {
                for (size_t k = 0; k < sizeof(message); k++) {
                        assert_int_equal(w->n_calls, i);
                        wire_send_bytes(w, fd, message + k, 1);
                        test_loop_turn(&w->test);
                }
                wire_expect(w, fd, "{\"parameters\":{\"a\":\"b\"}}");
        }
        wire_send_bytes(w, fd, message, 10);
        test_loop_for(&w->test, 2);
        wire_send_bytes(w, fd, message + 10, sizeof(message) - 10);
        wire_send_bytes(w, fd, message, 7);
        wire_expect(w, fd, "{\"parameters\":{\"a\":\"b\"}}");
        wire_send_bytes(w, fd, message + 7, sizeof(message) - 7);
        wire_expect(w, fd, "{\"parameters\":{\"a\":\"b\"}}");

        /* half a message and then nothing more */
        wire_send_bytes(w, fd, message, 20);
        test_loop_for(&w->test, 2);
        close(fd);
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        wire_stop(w);
}

/* A call of `size` bytes with its NUL byte. */
static char *big_call(size_t size)
{
        static const char head[] = "{\"method\":\"t.Echo\",\"parameters\":{\"a\":\"",
                          tail[] = "\"}}";
        char *call = malloc(size);

        memset(call, 'x', size);
        memcpy(call, head, sizeof(head) - 1);
        memcpy(call + size - sizeof(tail), tail, sizeof(tail));
        return call;
}

static void test_big(void **state)
{
        static const size_t sizes[] = {65535, 65536, 65537, 1 << 20, WIRE_MESSAGE_MAX};
        Wire *w = wire_start();
        int fd = wire_connect(w);

        for (size_t i = 0; i < ARRAY_SIZE(sizes); i++) {
                _cleanup_free_ char *call = big_call(sizes[i]), *reply = NULL;

                wire_send_bytes(w, fd, call, sizes[i]);
                reply = wire_receive(w, fd);
                assert_non_null(reply);
                assert_int_equal(strlen(reply), sizes[i] - 1 - strlen("\"method\":\"t.Echo\","));
        }
        close(fd);
        wire_stop(w);
}

#ifdef __SANITIZE_ADDRESS__
#define RESIDENT_MESSAGES 8 /* its quarantine keeps what the growing buffer left behind */
#else
#define RESIDENT_MESSAGES 4
#endif

/* 64 MiB without a NUL byte: refused at WIRE_MESSAGE_MAX, others are served meanwhile. */
static void test_too_big(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        size_t before = wire_resident(), sent = 0;
        static char block[1 << 20];

        memset(block, ' ', sizeof(block));
        while (sent < 64u << 20) {
                ssize_t n = send(fd, block, sizeof(block), MSG_DONTWAIT | MSG_NOSIGNAL);

                if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
                        break;
                if (n > 0)
                        sent += (size_t)n;
                test_loop_turn(&w->test);
        }
        assert_in_range(sent, WIRE_MESSAGE_MAX, WIRE_MESSAGE_MAX + (4 << 20));
        assert_true(wire_resident() < before + RESIDENT_MESSAGES * WIRE_MESSAGE_MAX);
        assert_int_equal(wire_server_connections(w->server), 0);
        wire_check_alive(w);
        close(fd);
        wire_stop(w);
}

/* One whole message over the limit, its last bytes in one read with its NUL byte. */
static void test_too_big_by_one(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_free_ char *call = big_call(WIRE_MESSAGE_MAX + 2);

        wire_send_bytes(w, fd, call, WIRE_MESSAGE_MAX + 2);
        wire_expect(w, fd,
                    "{\"error\":\"io.cvmd.Manager.QuotaExceeded\",\"parameters\":{\"resource\":"
                    "\"message (bytes)\",\"limit\":16777216,\"used\":0,\"wanted\":16777217}}");
        wire_expect_end(w, fd);
        assert_int_equal(w->n_calls, 0);
        close(fd);
        wire_stop(w);
}

/* A client that asks on and on and never reads: it is no longer read from, then gets all of it. */
static void test_never_reads(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_free_ char *call = big_call(1000);
        size_t sent = 0, stalled = 0, offset = 0, n_replies = 0;

        while (stalled < 100 && sent < 64u << 20) {
                ssize_t n = send(fd, call + offset, 1000 - offset, MSG_DONTWAIT);

                if (n > 0) {
                        sent += (size_t)n;
                        offset = sent % 1000;
                        stalled = 0;
                } else {
                        assert_int_equal(errno, EAGAIN);
                        stalled++;
                        test_loop_turn(&w->test);
                }
        }
        /* the kernel's buffers both ways, and what is read ahead and answered */
        assert_true(sent < 4u << 20);
        assert_true(w->n_calls > 0);
        wire_check_alive(w);

        for (; n_replies < sent / 1000; n_replies++) {
                _cleanup_free_ char *reply = wire_receive(w, fd);

                assert_int_equal(strlen(reply), 999 - strlen("\"method\":\"t.Echo\","));
        }
        if (offset)
                wire_send_bytes(w, fd, call + offset, 1000 - offset);
        else
                wire_send_bytes(w, fd, call, 1000);
        free(wire_receive(w, fd));
        close(fd);
        wire_stop(w);
}

/* A stream heeds congestion: bounded while the client does not read, complete when it does. */
static void test_congestion(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        size_t before = wire_resident();

        w->stream_left = 1600; /* 100 MiB */
        wire_send(w, fd, "{\"method\":\"t.Stream\",\"more\":true}");
        test_loop_until(&w->test, w->stream_stalls == 1);
        test_loop_for(&w->test, 10);
        assert_int_equal(w->stream_stalls, 1);
        assert_true(w->stream_left > 1600 - (WIRE_OUTPUT_MAX >> 16) - 16);
        assert_true(wire_resident() < before + 4 * WIRE_OUTPUT_MAX);
        for (int i = 0; i < 1600; i++) {
                _cleanup_free_ char *reply = wire_receive(w, fd);

                assert_non_null(strstr(reply, "\"continues\":true"));
        }
        wire_expect(w, fd, "{\"parameters\":{}}");
        assert_int_equal(w->stream_left, 0);
        assert_true(w->n_drained > 10);
        close(fd);
        wire_stop(w);
}

/* One that does not heed it is cut off. */
static void test_congestion_ignored(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        static char block[1 << 20];

        memset(block, 'x', sizeof(block) - 1);
        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        for (int i = 0; i < 40; i++)
                wire_call_continue(w->held[0],
                                   json_build("x", json_object_new_string(block), NULL));
        assert_int_equal(w->n_gone, 0);
        test_loop_until(&w->test, w->n_gone == 1);
        close(fd);
        wire_stop(w);
}

static void test_drained_at_once(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        wire_call_on_drained(w->held[0], wire_count_gone, w);
        assert_int_equal(w->n_gone, 0);
        test_loop_until(&w->test, w->n_gone == 1);
        test_loop_for(&w->test, 5);
        assert_int_equal(w->n_gone, 1);
        close(fd);
        wire_stop(w);
}

static void test_upgrade(void **state)
{
        static const char call[] = "{\"method\":\"t.Upgrade\",\"upgrade\":true}\0raw\0bytes";
        Wire *w = wire_start();
        int fd = wire_connect(w);
        char buffer[8];

        wire_send_bytes(w, fd, call, sizeof(call) - 1);
        wire_expect(w, fd, "{\"parameters\":{}}");
        test_loop_until(&w->test, w->taken_fd != -2);
        assert_int_equal(w->n_early, 9);
        assert_memory_equal(w->early, "raw\0bytes", 9);
        assert_int_equal(wire_server_connections(w->server), 0);
        assert_int_equal(fcntl(w->taken_fd, F_GETFL) & O_NONBLOCK, O_NONBLOCK);

        /* later bytes are for the new owner alone */
        wire_send_bytes(w, fd, "later", 5);
        test_loop_for(&w->test, 5);
        assert_int_equal(recv(w->taken_fd, buffer, sizeof(buffer), MSG_DONTWAIT), 5);
        assert_int_equal(send(w->taken_fd, "x", 1, 0), 1);
        assert_int_equal(recv(fd, buffer, 1, MSG_DONTWAIT), 1);
        close(w->taken_fd);
        wire_expect_end(w, fd);
        close(fd);
        wire_stop(w);
}

/* What comes while the handler has not decided yet stays in the socket. */
static void test_upgrade_held(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        char buffer[8];
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.HoldUpgrade\",\"upgrade\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        wire_send_bytes(w, fd, "later", 5);
        test_loop_for(&w->test, 5);
        call = wire_release(w);
        wire_call_upgrade(call, wire_taken, w);
        wire_call_unref(call);
        assert_int_equal(w->taken_fd, -2);
        test_loop_until(&w->test, w->taken_fd >= 0);
        assert_int_equal(w->n_early, 0);
        assert_int_equal(recv(w->taken_fd, buffer, sizeof(buffer), MSG_DONTWAIT), 5);
        close(w->taken_fd);
        close(fd);

        /* the client may leave before, and is told no more */
        w->taken_fd = -2;
        free(TAKE_PTR(w->early));
        fd = wire_connect(w);
        wire_send(w, fd, "{\"method\":\"t.HoldUpgrade\",\"upgrade\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        close(fd);
        test_loop_until(&w->test, w->n_gone == 1);
        call = wire_release(w);
        wire_call_upgrade(call, wire_taken, w);
        wire_call_unref(call);
        assert_int_equal(w->taken_fd, -1);
        wire_stop(w);
}

/* Replies that wait for the client keep the upgrade waiting, too; and the client may
 * leave before. */
static void test_upgrade_later(void **state)
{
        Wire *w = wire_start();
        static const char call[] = "{\"method\":\"t.Upgrade\",\"upgrade\":true}";
        static char block[65536];
        int fd = wire_connect(w);

        memset(block, 'x', sizeof(block) - 1);
        w->stream_left = 4;
        wire_send(w, fd, "{\"method\":\"t.Stream\",\"more\":true}");
        wire_send(w, fd, call);
        test_loop_until(&w->test, w->stream_left == 0);
        test_loop_for(&w->test, 5);
        assert_int_equal(w->taken_fd, -2);
        for (int i = 0; i < 5; i++)
                free(wire_receive(w, fd));
        wire_expect(w, fd, "{\"parameters\":{}}");
        wire_send_bytes(w, fd, "later", 5);
        test_loop_until(&w->test, w->taken_fd >= 0);
        test_loop_for(&w->test, 5);
        assert_int_equal(w->n_early, 0);
        assert_int_equal(recv(w->taken_fd, block, sizeof(block), MSG_DONTWAIT), 5);
        close(w->taken_fd);
        close(fd);

        w->taken_fd = -2;
        free(TAKE_PTR(w->early));
        fd = wire_connect(w);
        w->stream_left = 4;
        wire_send(w, fd, "{\"method\":\"t.Stream\",\"more\":true}");
        wire_send(w, fd, call);
        test_loop_until(&w->test, w->stream_left == 0);
        close(fd);
        test_loop_until(&w->test, w->taken_fd == -1);
        wire_stop(w);
}

/* A call with `values` empty objects in an array, and its NUL byte. */
static char *call_of_values(size_t values, size_t *ret_size)
{
        static const char head[] = "{\"method\":\"t.Fds\",\"parameters\":{\"a\":[{}",
                          tail[] = "]}}";
        size_t size = sizeof(head) - 1 + 3 * (values - 1) + sizeof(tail);
        char *call = malloc(size), *p = mempcpy(call, head, sizeof(head) - 1);

        for (size_t i = 1; i < values; i++)
                p = mempcpy(p, ",{}", 3);
        memcpy(p, tail, sizeof(tail));
        *ret_size = size;
        return call;
}

/* Refused before a tree is made of it, which would have 300 times its size. */
static void test_too_many_values(void **state)
{
        Wire *w = wire_start();
        size_t before, size, most = WIRE_VALUES_MAX - 4; /* the call, method, parameters, a */
        _cleanup_free_ char *fits = call_of_values(most, &size), *more = NULL, *huge = NULL;
        _cleanup_free_ char *reply = NULL;
        int fd = wire_connect(w);

        wire_send_bytes(w, fd, fits, size);
        reply = wire_receive(w, fd);
        assert_non_null(reply);
        assert_null(strstr(reply, "json-values"));
        more = call_of_values(most + 1, &size);
        wire_send_bytes(w, fd, more, size);
        wire_expect(w, fd,
                    "{\"error\":\"io.cvmd.Manager.QuotaExceeded\",\"parameters\":{\"resource\":"
                    "\"json-values\",\"limit\":32768,\"used\":0,\"wanted\":32769}}");
        wire_expect_end(w, fd);
        close(fd);

        huge = call_of_values(5000000, &size);
        before = wire_resident();
        fd = wire_connect(w);
        wire_send_bytes(w, fd, huge, size);
        free(wire_receive(w, fd));
        wire_expect_end(w, fd);
        assert_true(wire_resident() < before + RESIDENT_MESSAGES * WIRE_MESSAGE_MAX);
        wire_check_alive(w);
        close(fd);
        wire_stop(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_pieces),          cmocka_unit_test(test_big),
                cmocka_unit_test(test_too_big),         cmocka_unit_test(test_too_big_by_one),
                cmocka_unit_test(test_too_many_values), cmocka_unit_test(test_never_reads),
                cmocka_unit_test(test_congestion),      cmocka_unit_test(test_congestion_ignored),
                cmocka_unit_test(test_drained_at_once), cmocka_unit_test(test_upgrade),
                cmocka_unit_test(test_upgrade_held),    cmocka_unit_test(test_upgrade_later),
        };

        heap_prepare();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
