/* SPDX-License-Identifier: Apache-2.0 */

/* Calls and their answers: dispatch, order, flags, errors, closing at any moment. */

#include "test.h"

#include <sys/ioctl.h>

#include "wire.h"

static void test_service(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_free_ char *text = NULL;
        _cleanup_json_ json_object *reply = NULL;

        wire_exchange(
                w, fd, "{\"method\":\"org.varlink.service.GetInfo\"}",
                "{\"parameters\":{\"vendor\":\"cvmd\",\"product\":\"test\",\"version\":\"1\","
                "\"url\":\"https://example.com\",\"interfaces\":[\"org.varlink.service\",\"t\","
                "\"io.cvmd.Manager\"],\"interfaceVersions\":{\"t\":\"1.2\"}}}");
        wire_exchange(w, fd,
                      "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                      "{\"interface\":\"t\"}}",
                      "{\"parameters\":{\"description\":\"interface t\\n\"}}");
        wire_exchange(w, fd,
                      "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                      "{\"interface\":\"x.y\"}}",
                      "{\"error\":\"org.varlink.service.InterfaceNotFound\",\"parameters\":"
                      "{\"interface\":\"x.y\"}}");
        wire_exchange(w, fd, "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}",
                      "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":"
                      "{\"parameter\":\"interface\",\"reason\":\"must be the name of an "
                      "interface\"}}");

        wire_send(w, fd,
                  "{\"method\":\"org.varlink.service.GetInterfaceDescription\",\"parameters\":"
                  "{\"interface\":\"io.cvmd.Manager\"}}");
        text = wire_receive(w, fd);
        assert_int_equal(json_parse(text, strlen(text), &reply, NULL), 0);
        assert_string_equal(json_member_string(json_member(reply, "parameters"), "description"),
                            wire_manager_interface);
        close(fd);
        wire_stop(w);
}

static void test_parameters_absent(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);

        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        wire_exchange(w, fd, "{\"method\":\"t.Echo\",\"parameters\":null}", "{\"parameters\":{}}");
        wire_exchange(w, fd, "{\"method\":\"t.Echo\",\"parameters\":{},\"more\":false}",
                      "{\"parameters\":{}}");
        wire_exchange(w, fd,
                      " {\"parameters\":{\"a\":[null,\"\\u00e4/\"]},\"method\":\"t.Echo\"}\n",
                      "{\"parameters\":{\"a\":[null,\"\u00e4/\"]}}");
        close(fd);
        wire_stop(w);
}

#define ERROR(name, fields) "{\"error\":\"" name "\",\"parameters\":" fields "}"
#define INVALID(name, reason)                                                                      \
        ERROR("org.varlink.service.InvalidParameter",                                              \
              "{\"parameter\":\"" name "\",\"reason\":\"" reason "\"}")

static void test_errors(void **state)
{
        static const char *const cases[][2] = {
                {"{\"method\":\"t.Fail\"}",
                 ERROR("io.cvmd.Manager.NoSuchCvm", "{\"name\":\"web\\\"1\"}")},
                {"{\"method\":\"t.FailBare\"}",
                 ERROR("io.cvmd.Manager.SystemError",
                       "{\"operation\":\"t.FailBare\",\"reason\":\"No space left on device\"}")},
                {"{\"method\":\"t.Nothing\"}",
                 ERROR("org.varlink.service.MethodNotFound", "{\"method\":\"t.Nothing\"}")},
                {"{\"method\":\"u.Echo\"}",
                 ERROR("org.varlink.service.InterfaceNotFound", "{\"interface\":\"u\"}")},
                {"{\"method\":\"t.t.Echo\"}",
                 ERROR("org.varlink.service.InterfaceNotFound", "{\"interface\":\"t.t\"}")},
                {"{\"method\":\"\"}",
                 INVALID("method", "must be the name of an interface, a dot and a method")},
                {"{\"method\":\"t.Stream\"}", ERROR("org.varlink.service.ExpectedMore", "{}")},
                {"{\"method\":\"t.Upgrade\"}",
                 INVALID("upgrade", "must be true in a call of this method")},
                {"{\"method\":\"t.Echo\",\"upgrade\":true}",
                 INVALID("upgrade", "is not possible in a call of this method")},
                {"{\"method\":\"t.Echo\",\"parameters\":[]}",
                 INVALID("parameters", "must be an object")},
                {"{\"method\":\"t.Echo\",\"parameters\":\"x\"}",
                 INVALID("parameters", "must be an object")},
                {"{\"method\":\"t.Echo\",\"more\":1}", INVALID("more", "must be true or false")},
                {"{\"method\":\"t.Echo\",\"flags\":1}",
                 INVALID("flags", "is not a member of a call: use method, parameters, oneway, "
                                  "more, upgrade")},
                {"{\"method\":\"t.Upgrade\",\"more\":true,\"upgrade\":true}",
                 INVALID("upgrade", "only one of oneway, more and upgrade may be true")},
                {"{\"method\":\"t.Echo\",\"parameters\":{\"a\":{\"b\":[1,\"\\u0000\"]}}}",
                 INVALID("a.b[1]", "a NUL character in a string")},
                {"{\"method\":\"t.Echo\\u0000\",\"x\":1}",
                 INVALID("method", "a NUL character in a string")},
                {"{\"method\":\"t.Echo\",\"parameters\":{\"a\":{\"b\":\"x\\udcff\"}}}",
                 INVALID("a.b", "an unpaired surrogate in a string")},
                {"{\"method\":\"t.Echo\",\"parameters\":{\"a\":[-99999999999999999999]}}",
                 INVALID("a[0]", "an integer beyond 64 bits")},
                {"{\"method\":\"t.Echo\",\"parameters\":{\"\\ud800\":1}}",
                 INVALID("\xef\xbf\xbd", "an unpaired surrogate in a string")},
        };
        Wire *w = wire_start();
        int fd = wire_connect(w);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                wire_exchange(w, fd, cases[i][0], cases[i][1]);
        assert_int_equal(w->n_calls, 0);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        close(fd);
        wire_stop(w);
}

/* What is no call at all ends the connection, that one alone. */
static void test_noise(void **state)
{
        static const struct {
                const char *data;
                size_t size;
        } cases[] = {
#define BYTES(s) {s, sizeof(s)}
                BYTES(""),
                BYTES("{"),
                BYTES("[]"),
                BYTES("\"t.Echo\""),
                BYTES("{}"),
                BYTES("{\"method\":1}"),
                BYTES("{\"method\":null}"),
                BYTES("{\"parameters\":{}}"),
                BYTES("{\"method\":\"t.Echo\",\"method\":\"t.Echo\"}"),
                BYTES("{\"method\":\"t.Echo\"}}"),
                BYTES("{\"method\":\"t.Ech\xff\"}"),
                BYTES("{\"method\":\"t.Echo\",\"oneway\":true,\"more\":true}"),
                BYTES("{\"method\":\"t.Echo\",\"oneway\":true,\"x\":1}"),
                BYTES("{\"method\":\"t.Echo\",\"oneway\":true,\"parameters\":{\"x\":\"\\u0000\"}}"),
                BYTES("{\"method\":\"\\u0000\""),
                BYTES("[\"\\u0000\"]"),
                BYTES("{\"method\":\"t.Echo\",\"oneway\":true,\"parameters\":{\"x\":\"\\ud800\"}}"),
                BYTES("{\"method\":\"t.Echo\",\"parameters\":{\"x\":-01}}"),
                BYTES("GET / HTTP/1.1\r\n\r\n"),
                BYTES("\x7f"
                      "ELF\x02\x01\x01\x00\x00\x00\x00\x00\x00\x00\x00\x00"),
#undef BYTES
        };
        Wire *w = wire_start();
        int other = wire_connect(w);

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                int fd = wire_connect(w);

                wire_send_bytes(w, fd, cases[i].data, cases[i].size);
                wire_expect_end(w, fd);
                close(fd);
        }
        assert_int_equal(w->n_calls, 0);
        wire_exchange(w, other, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        close(other);
        wire_stop(w);
}

static void test_pipelined(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_(buffer_done) Buffer calls = {};
        char text[96];

        for (int i = 0; i < 1000; i++)
                assert_int_equal(
                        buffer_appendf(&calls,
                                       "{\"method\":\"t.Echo\",\"parameters\":{\"n\":%d}}%c", i, 0),
                        0);
        wire_send_bytes(w, fd, calls.data, calls.size);
        for (int i = 0; i < 1000; i++) {
                snprintf(text, sizeof(text), "{\"parameters\":{\"n\":%d}}", i);
                wire_expect(w, fd, text);
        }
        close(fd);
        wire_stop(w);
}

/* Calls that end later keep their order too: each begins when the one before it has ended. */
static void test_pipelined_later(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        char text[96];

        for (int i = 0; i < 1000; i++)
                wire_send(w, fd, i % 2 ? "{\"method\":\"t.Echo\"}" : "{\"method\":\"t.Hold\"}");
        for (int i = 0; i < 500; i++) {
                WireCall *call;

                test_loop_until(&w->test, w->n_held == 1);
                assert_int_equal(w->n_calls, 2 * i + 1);
                call = wire_release(w);
                wire_call_reply(call, json_build("n", json_object_new_int(i), NULL));
                /* no handler is called from within an end */
                assert_int_equal(w->n_calls, 2 * i + 1);
                wire_call_unref(call);
                snprintf(text, sizeof(text), "{\"parameters\":{\"n\":%d}}", i);
                wire_expect(w, fd, text);
                wire_expect(w, fd, "{\"parameters\":{}}");
        }
        close(fd);
        wire_stop(w);
}

/* Ends the held call with {"n": number}, written beforehand. */
static void reply_prepared(Wire *w, int number)
{
        WireCall *call = wire_release(w);
        Buffer reply = {};

        assert_int_equal(wire_call_prepare_reply(json_build("n", json_object_new_int(number), NULL),
                                                 false, &reply),
                         0);
        wire_call_reply_prepared(call, &reply);
        assert_null(reply.data);
        wire_call_unref(call);
}

/* A reply that was written beforehand comes after what is still unsent, and is nobody's whose
 * client has gone or wants none. */
static void test_prepared(void **state)
{
        enum { LARGE = 2 << 20 };
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_free_ char *large = malloc(LARGE), *text = NULL;

        memset(large, 'x', LARGE);
        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        test_loop_until(&w->test, w->n_held == 1);
        reply_prepared(w, 1);
        wire_expect(w, fd, "{\"parameters\":{\"n\":1}}");

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        wire_call_continue(w->held[0],
                           json_build("x", json_object_new_string_len(large, LARGE), NULL));
        reply_prepared(w, 2);
        text = wire_receive(w, fd);
        assert_true(strlen(text) > LARGE && strstr(text, "\"continues\":true}"));
        wire_expect(w, fd, "{\"parameters\":{\"n\":2}}");

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"oneway\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        reply_prepared(w, 3);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        test_loop_until(&w->test, w->n_held == 1);
        close(fd);
        test_loop_until(&w->test, w->n_gone == 1);
        reply_prepared(w, 4);
        wire_stop(w);
}

/* Of large replies only so much is sent in a turn of the loop, and all of it in the end; whoever
 * has a small one does not wait for them. */
static void test_large_replies(void **state)
{
        enum { N = 24, LARGE = 1 << 20, A_TURN = 512 << 10 };
        Wire *w = wire_start();
        _cleanup_free_ char *large = calloc(1, LARGE);
        int fds[N], other = wire_connect(w), waiting, sum = 0;

        memset(large, 'x', LARGE - 1);
        for (int i = 0; i < N; i++) {
                fds[i] = wire_connect(w);
                wire_send(w, fds[i], "{\"method\":\"t.Hold\"}");
                test_loop_until(&w->test, w->n_held == (size_t)i + 1);
        }
        for (int i = 0; i < N; i++) {
                WireCall *call = wire_release(w);

                wire_call_reply(call, json_build("x", json_object_new_string(large), NULL));
                wire_call_unref(call);
        }
        for (int i = 0; i < N; i++) {
                assert_int_equal(ioctl(fds[i], FIONREAD, &waiting), 0);
                assert_true(waiting <= 64 << 10);
                sum += waiting;
        }
        assert_true(sum > 0 && sum <= A_TURN);
        wire_exchange(w, other, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        for (int i = 0; i < N; i++) {
                _cleanup_free_ char *text = wire_receive(w, fds[i]);

                assert_int_equal(strlen(text), LARGE - 1 + strlen("{\"parameters\":{\"x\":\"\"}}"));
                close(fds[i]);
        }
        close(other);
        wire_stop(w);
}

/* Also after its handler has returned. */
static void test_errors_of_a_cvm(void **state)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        Wire *w = wire_start();
        int fd = wire_connect(w);
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        test_loop_until(&w->test, w->n_held == 1);
        call = wire_release(w);
        wire_call_concerns(call, "web", NULL);
        wire_call_concerns(call, "web", "i1");
        cvm_error_events_lost(&error, 7);
        wire_call_error(call, &error);
        wire_call_unref(call);
        wire_expect(w, fd,
                    ERROR("io.cvmd.Manager.EventsLost",
                          "{\"oldest\":7,\"name\":\"web\",\"id\":\"i1\"}"));
        wire_exchange(w, fd, "{\"method\":\"t.Fail\"}",
                      ERROR("io.cvmd.Manager.NoSuchCvm", "{\"name\":\"web\\\"1\"}"));
        close(fd);
        wire_stop(w);
}

static void test_oneway(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.Echo\",\"oneway\":true}");
        wire_send(w, fd, "{\"method\":\"t.Fail\",\"oneway\":true}");
        wire_send(w, fd, "{\"method\":\"t.None\",\"oneway\":true}");
        wire_send(w, fd, "{\"method\":\"t.Stream\",\"oneway\":true}");
        wire_send(w, fd, "{\"method\":\"t.Hold\",\"oneway\":true}");
        wire_send(w, fd, "{\"method\":\"t.Echo\",\"parameters\":{\"last\":true}}");
        test_loop_until(&w->test, w->n_held == 1);
        call = wire_release(w);
        wire_call_reply(call, NULL);
        wire_call_unref(call);
        wire_expect(w, fd, "{\"parameters\":{\"last\":true}}");
        assert_int_equal(w->n_calls, 3);

        /* one that leaves at once is heard all the same */
        wire_send(w, fd, "{\"method\":\"t.Echo\",\"oneway\":true}");
        close(fd);
        test_loop_until(&w->test, w->n_calls == 4 && wire_server_connections(w->server) == 0);
        wire_stop(w);
}

static void test_more(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        call = wire_release(w);
        assert_true(wire_call_wants_more(call));
        wire_call_continue(call, json_build("n", json_object_new_int(1), NULL));
        wire_call_continue(call, NULL);
        wire_expect(w, fd, "{\"parameters\":{\"n\":1},\"continues\":true}");
        wire_expect(w, fd, "{\"parameters\":{},\"continues\":true}");
        wire_call_reply(call, NULL);
        wire_expect(w, fd, "{\"parameters\":{}}");
        wire_call_unref(call);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\"}", "{\"parameters\":{}}");
        close(fd);
        test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        assert_int_equal(w->n_gone, 0);
        wire_stop(w);
}

/* A stream ends when its client closes; what the handler does after has no effect. */
static void test_gone(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_(cvm_error_done) CvmError error = {};

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        close(fd);
        test_loop_until(&w->test, w->n_gone == 1);
        assert_int_equal(wire_server_connections(w->server), 0);

        wire_call_continue(w->held[0], json_object_new_object());
        wire_call_on_gone(w->held[0], wire_count_gone, w);
        wire_call_on_drained(w->held[0], wire_count_gone, w);
        assert_false(wire_call_is_congested(w->held[0]));
        assert_int_equal(wire_call_peer(w->held[0])->pid, getpid());
        wire_call_concerns(w->held[0], "x", NULL);
        cvm_error_no_such_cvm(&error, "x", NULL);
        wire_call_error(w->held[0], &error);
        assert_false(cvm_error_is_set(&error));
        test_loop_for(&w->test, 5);
        assert_int_equal(w->n_gone, 1);
        wire_stop(w);
}

/* Seen also while nothing more is read from the client. */
static void test_gone_unread(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        _cleanup_free_ char *junk = calloc(1, 1 << 20);

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        test_loop_until(&w->test, w->n_held == 1);
        memset(junk, ' ', 1 << 20);
        for (int i = 0; i < 100; i++) {
                if (send(fd, junk, 1 << 20, MSG_DONTWAIT) < 0)
                        assert_int_equal(errno, EAGAIN);
                test_loop_turn(&w->test);
        }
        assert_int_equal(w->n_gone, 0);
        close(fd);
        test_loop_until(&w->test, w->n_gone == 1);
        wire_stop(w);
}

/* A write that finds the client gone does not call back from within. */
static void test_gone_while_writing(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);

        wire_send(w, fd, "{\"method\":\"t.Hold\",\"more\":true}");
        test_loop_until(&w->test, w->n_held == 1);
        close(fd);
        wire_call_continue(w->held[0], NULL);
        wire_call_continue(w->held[0], NULL);
        assert_int_equal(w->n_gone, 0);
        test_loop_until(&w->test, w->n_gone == 1);
        wire_stop(w);
}

static void test_half_closed(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w);
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        wire_send(w, fd, "{\"method\":\"t.Echo\"}");
        shutdown(fd, SHUT_WR);
        test_loop_until(&w->test, w->n_held == 1);
        test_loop_for(&w->test, 5);
        assert_int_equal(w->n_gone, 0);
        call = wire_release(w);
        wire_call_reply(call, json_build("a", json_object_new_int(1), NULL));
        wire_call_unref(call);
        wire_expect(w, fd, "{\"parameters\":{\"a\":1}}");
        wire_expect(w, fd, "{\"parameters\":{}}");
        wire_expect_end(w, fd);
        close(fd);

        /* and one that leaves for good after that is noticed */
        fd = wire_connect(w);
        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        shutdown(fd, SHUT_WR);
        test_loop_until(&w->test, w->n_held == 1);
        test_loop_for(&w->test, 5);
        close(fd);
        test_loop_until(&w->test, w->n_gone == 1);
        wire_stop(w);
}

static void test_close_in_handler(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w), other = wire_connect(w);

        wire_send(w, other, "{\"method\":\"t.Hold\"}");
        test_loop_until(&w->test, w->n_held == 1);
        wire_send(w, fd, "{\"method\":\"t.Echo\"}");
        wire_send(w, fd, "{\"method\":\"t.Close\"}");
        wire_send(w, fd, "{\"method\":\"t.Echo\"}");
        test_loop_until(&w->test, w->n_gone == 2);
        assert_int_equal(w->n_calls, 2);
        wire_expect_end(w, other);
        close(fd);
        close(other);
        wire_stop(w);
}

static void test_close_with_work(void **state)
{
        Wire *w = wire_start();
        int fd = wire_connect(w), other = wire_connect(w);
        WireCall *call;

        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        wire_send(w, fd, "{\"method\":\"t.Hold\"}");
        wire_send(w, other, "{\"method\":\"t.Hol");
        test_loop_until(&w->test, w->n_held == 1);
        call = wire_release(w);
        wire_call_reply(call, NULL); /* the second call is put off to the loop */
        wire_call_unref(call);
        wire_server_close(w->server);
        wire_server_close(w->server);
        wire_server_close(NULL);
        assert_int_equal(wire_server_add_connection(w->server, dup(fd)), -ESHUTDOWN);
        close(fd);
        close(other);
        test_loop_finish(&w->test);
        assert_int_equal(w->n_calls, 1);
        free(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_service),
                cmocka_unit_test(test_parameters_absent),
                cmocka_unit_test(test_errors),
                cmocka_unit_test(test_noise),
                cmocka_unit_test(test_pipelined),
                cmocka_unit_test(test_pipelined_later),
                cmocka_unit_test(test_prepared),
                cmocka_unit_test(test_large_replies),
                cmocka_unit_test(test_errors_of_a_cvm),
                cmocka_unit_test(test_oneway),
                cmocka_unit_test(test_more),
                cmocka_unit_test(test_gone),
                cmocka_unit_test(test_gone_unread),
                cmocka_unit_test(test_gone_while_writing),
                cmocka_unit_test(test_half_closed),
                cmocka_unit_test(test_close_in_handler),
                cmocka_unit_test(test_close_with_work),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
