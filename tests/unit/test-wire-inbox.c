/* SPDX-License-Identifier: Apache-2.0 */

/* Descriptors that come with calls. */

#include "test.h"

#include "base/memfd.h"
#include "wire.h"
#include "wire/inbox.h"

static int new_file(void)
{
        int fd = memfd_new("test");

        assert_true(fd >= 0);
        return fd;
}

#define CALL "{\"method\":\"t.Fds\",\"parameters\":{\"take\":100}}"
#define TAKEN(n) "{\"parameters\":{\"taken\":" #n "}}"

/* They belong to the message whose first byte they came with, whatever is read at once. */
static void test_first_byte(void **state)
{
        static const char two[] = CALL "\0" CALL;
        Wire *w = wire_start();
        int fd = wire_connect(w), files[3] = {new_file(), new_file(), new_file()};

        wire_send(w, fd, CALL);
        wire_send(w, fd, CALL);
        wire_send_fds(fd, CALL, sizeof(CALL), files, 3);
        wire_send(w, fd, CALL);
        wire_send_fds(fd, two, sizeof(two), files, 2);
        wire_send_fds(fd, CALL, sizeof(CALL), files, 1);
        wire_send_fds(fd, "{", 1, files, 2);
        wire_send(w, fd, &CALL[1]);
        wire_expect(w, fd, TAKEN(0));
        wire_expect(w, fd, TAKEN(0));
        wire_expect(w, fd, TAKEN(3));
        wire_expect(w, fd, TAKEN(0));
        wire_expect(w, fd, TAKEN(2));
        wire_expect(w, fd, TAKEN(0));
        wire_expect(w, fd, TAKEN(1));
        wire_expect(w, fd, TAKEN(2));
        for (int i = 0; i < 3; i++)
                close(files[i]);
        close(fd);
        wire_stop(w);
}

/* Behind a call in work, too, and with messages larger than one read. */
static void test_waiting(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w), files[2] = {new_file(), new_file()};
        _cleanup_free_ char *big = malloc(300000);
        WireCall *call;

        memset(big, ' ', 300000);
        memcpy(big + 300000 - sizeof(CALL), CALL, sizeof(CALL));
        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        wire_send(w, fd, CALL);
        wire_send_fds(fd, CALL, sizeof(CALL), files, 2);
        wire_send_fds(fd, CALL, sizeof(CALL), files, 1);
        wire_send_fds(fd, big, 1000, files, 2);
        test_loop_until(&w->test, w->n_held == 1);
        test_loop_for(&w->test, 5);
        call = wire_release(w);
        wire_call_reply(call, NULL);
        wire_call_unref(call);
        wire_send_bytes(w, fd, big + 1000, 299000);
        wire_send(w, fd, CALL);
        wire_expect(w, fd, "{\"parameters\":{}}");
        wire_expect(w, fd, TAKEN(0));
        wire_expect(w, fd, TAKEN(2));
        wire_expect(w, fd, TAKEN(1));
        wire_expect(w, fd, TAKEN(2));
        wire_expect(w, fd, TAKEN(0));
        close(files[0]);
        close(files[1]);
        close(fd);
        wire_stop(w);
}

/* Several calls end one after the other before it is their message's turn. */
static void test_waiting_long(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w), file = new_file();

        for (int i = 0; i < 3; i++)
                wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        wire_send_fds(fd, CALL, sizeof(CALL), &file, 1);
        for (int i = 0; i < 3; i++) {
                WireCall *call;

                test_loop_until(&w->test, w->n_held == 1);
                test_loop_for(&w->test, 3);
                call = wire_release(w);
                wire_call_reply(call, NULL);
                wire_call_unref(call);
                wire_expect(w, fd, "{\"parameters\":{}}");
        }
        wire_expect(w, fd, TAKEN(1));
        close(file);
        close(fd);
        wire_stop(w);
}

/* Those that no handler takes, or that come with a refused call, are closed with it: wire_stop()
 * counts. */
static void test_not_taken(void **state)
{
        static const char *const calls[] = {"{\"method\":\"t.Echo\"}", "{\"method\":\"t.None\"}",
                                            "{\"method\":\"t.Echo\",\"x\":1}",
                                            "{\"method\":\"t.Hold\"}", "noise"};
        Wire *w = wire_start();
        int files[2] = {new_file(), new_file()};

        for (size_t i = 0; i < ARRAY_SIZE(calls); i++) {
                int fd = wire_connect(w);

                wire_send_fds(fd, calls[i], strlen(calls[i]) + 1, files, 2);
                test_loop_for(&w->test, 3);
                close(fd);
        }
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        close(files[0]);
        close(files[1]);
        wire_stop(w);
}

static void test_too_many(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w), files[253];

        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                files[i] = new_file();
        wire_send_fds(fd, CALL, sizeof(CALL), files, WIRE_FDS_MAX);
        wire_expect(w, fd, TAKEN(64));
        wire_send_fds(fd, CALL, sizeof(CALL), files, WIRE_FDS_MAX + 1);
        wire_expect_end(w, fd);
        close(fd);
        fd = wire_connect(w);
        wire_send_fds(fd, CALL, sizeof(CALL), files, 253);
        wire_expect_end(w, fd);
        close(fd);
        for (size_t i = 0; i < ARRAY_SIZE(files); i++)
                close(files[i]);
        wire_check_alive(w);
        wire_stop(w);
}

/* Within a message they belong to it as well, but one message has them at one place only. */
static void test_within(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w), file = new_file();
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        wire_send(w, fd, CALL);
        wire_send_bytes(w, fd, CALL, 5);
        test_loop_until(&w->test, w->n_held == 1);
        test_loop_for(&w->test, 3);
        wire_send_fds(fd, &CALL[5], sizeof(CALL) - 5, &file, 1);
        test_loop_for(&w->test, 3);
        call = wire_release(w);
        wire_call_reply(call, NULL);
        wire_call_unref(call);
        wire_expect(w, fd, "{\"parameters\":{}}");
        wire_expect(w, fd, TAKEN(0));
        wire_expect(w, fd, TAKEN(1));

        wire_send_fds(fd, CALL, 5, &file, 1);
        wire_send_fds(fd, &CALL[5], sizeof(CALL) - 5, &file, 1);
        wire_expect_end(w, fd);
        close(fd);
        close(file);
        wire_stop(w);
}

/* A byte sent with MSG_OOB neither blocks the stream nor keeps the loop awake. */
static void test_out_of_band(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);

        if (send(fd, "!", 1, MSG_OOB) < 0) {
                close(fd);
                wire_stop(w);
                skip();
        }
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        close(fd);
        wire_stop(w);
}

/* What was looked at and left in the socket, or refused, does not stay in the buffer of reads. */
static void test_wiped(void **state)
{
        static const char two[] = "first\0secret";
        _cleanup_free_ char *scratch = calloc(1, WIRE_INBOX_READ), *zeros = calloc(1, sizeof(two));
        int pair[2], file = new_file();

        for (size_t fds_max = 0; fds_max < 2; fds_max++) {
                size_t kept = fds_max > 0 ? sizeof("first") : 0, offset = 0;
                WireInbox inbox = {.uid = 4711};
                const char *message;
                size_t size;

                assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, pair), 0);
                wire_send_fds(pair[1], two, sizeof(two), &file, 1);
                assert_int_equal(wire_inbox_read(&inbox, pair[0], scratch, fds_max),
                                 kept ? (ssize_t)kept : -EPROTO);
                assert_memory_equal(scratch, two, kept);
                assert_memory_equal(scratch + kept, zeros, sizeof(two) - kept);
                if (kept) {
                        assert_true(wire_inbox_next(&inbox, &offset, &message, &size));
                        assert_int_equal(wire_inbox_settle(&inbox, offset), 0);
                        assert_memory_equal(scratch, zeros, sizeof(two));
                }
                wire_inbox_done(&inbox);
                close(pair[0]);
                close(pair[1]);
        }
        close(file);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_first_byte),   cmocka_unit_test(test_waiting),
                cmocka_unit_test(test_waiting_long), cmocka_unit_test(test_not_taken),
                cmocka_unit_test(test_too_many),     cmocka_unit_test(test_within),
                cmocka_unit_test(test_out_of_band),  cmocka_unit_test(test_wiped),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
