/* SPDX-License-Identifier: Apache-2.0 */

/* Large messages: how large one may be by its method, and what happens while one is parsed. */

#include <pthread.h>
#include <semaphore.h>
#include <stdio.h>
#include <sys/file.h>

#include "test.h"

#include "base/heap.h"
#include "base/memfd.h"
#include "wire.h"

#define LARGE 300000

/* A call of `size` bytes with its NUL byte; `head` begins the parameters. */
static char *call_of(const char *head, const char *tail, size_t size)
{
        char *call = malloc(size);

        memset(call, 'x', size);
        memcpy(call, head, strlen(head));
        memcpy(call + size - strlen(tail) - 1, tail, strlen(tail) + 1);
        return call;
}

#define CALL(method) "{\"method\":\"" method "\",\"parameters\":{\"a\":\""
#define LATE "{\"parameters\":{\"a\":\""

static void expect_too_large(Wire *w, int fd, size_t limit, size_t least)
{
        _cleanup_free_ char *text = wire_receive(w, fd);
        _cleanup_json_ json_object *reply = NULL;
        json_object *parameters;

        assert_non_null(text);
        assert_int_equal(json_parse(text, strlen(text), &reply, NULL), 0);
        assert_string_equal(json_member_string(reply, "error"), "io.cvmd.Manager.QuotaExceeded");
        parameters = json_member(reply, "parameters");
        assert_string_equal(json_member_string(parameters, "resource"), "message (bytes)");
        assert_int_equal(json_member_int(parameters, "limit", 0), limit);
        assert_in_range(json_member_int(parameters, "wanted", 0), least, least + 65536);
        wire_expect_end(w, fd);
}

/* The first byte over the limit is enough, no end of the message is waited for. */
static void test_small_method(void **state)
{
        Wire *w = wire_start();
        _cleanup_free_ char *call = call_of(CALL("t.Hold"), "\"}}", LARGE);
        _cleanup_free_ char *fits = call_of(CALL("t.Fail"), "\"}}", WIRE_MESSAGE_SMALL_MAX + 1);
        _cleanup_free_ char *over = call_of(CALL("t.Fail"), "\"}}", WIRE_MESSAGE_SMALL_MAX + 2);
        _cleanup_free_ char *reply = NULL;
        int fd = wire_connect(w);

        wire_send_bytes(w, fd, call, WIRE_MESSAGE_SMALL_MAX);
        test_loop_for(&w->test, 3);
        assert_int_equal(wire_server_connections(w->server), 1);
        wire_send_bytes(w, fd, "x", 1);
        expect_too_large(w, fd, WIRE_MESSAGE_SMALL_MAX, WIRE_MESSAGE_SMALL_MAX + 1);
        close(fd);

        fd = wire_connect(w);
        wire_send_bytes(w, fd, fits, WIRE_MESSAGE_SMALL_MAX + 1);
        reply = wire_receive(w, fd);
        assert_non_null(strstr(reply, "NoSuchCvm"));
        wire_send_bytes(w, fd, over, WIRE_MESSAGE_SMALL_MAX + 2); /* whole, in one read */
        expect_too_large(w, fd, WIRE_MESSAGE_SMALL_MAX, WIRE_MESSAGE_SMALL_MAX + 1);
        assert_int_equal(w->n_held, 0);
        close(fd);
        wire_stop(w);
}

/* A method that is not there, or no call at all, may have no more than the least. */
static void test_unknown_method(void **state)
{
        Wire *w = wire_start();
        static const char *const heads[] = {CALL("t.Nothing"), CALL("u.Echo"), CALL("Echo")};

        for (size_t i = 0; i < ARRAY_SIZE(heads); i++) {
                _cleanup_free_ char *call = call_of(heads[i], "\"}}", LARGE);
                int fd = wire_connect(w);

                wire_send_bytes(w, fd, call, LARGE);
                expect_too_large(w, fd, WIRE_MESSAGE_SMALL_MAX, WIRE_MESSAGE_SMALL_MAX + 1);
                close(fd);
        }
        wire_stop(w);
}

/* Sent late, the method is known late: until then the bound is the largest of all methods, and then
 * its own, whether it is spelt plainly or not. */
static void test_late_method(void **state)
{
        static const char *const tails[] = {"\"},\"method\":\"t.Hold\"}",
                                            "\"},\"m\\u0065thod\":\"t.Hold\"}",
                                            "\"},\"method\":\"t.\\u0048old\"}"};
        Wire *w = wire_start();
        _cleanup_free_ char *huge = call_of(LATE, "", WIRE_MESSAGE_MAX + 2);
        _cleanup_free_ char *echo = call_of(LATE, "\"},\"method\":\"t.Echo\"}", LARGE);
        _cleanup_free_ char *reply = NULL;
        int fd;

        for (size_t i = 0; i < ARRAY_SIZE(tails); i++) {
                _cleanup_free_ char *call = call_of(LATE, tails[i], LARGE);

                fd = wire_connect(w);
                wire_send_bytes(w, fd, call, LARGE);
                expect_too_large(w, fd, WIRE_MESSAGE_SMALL_MAX, LARGE - 1);
                close(fd);
        }
        assert_int_equal(w->n_held, 0);

        fd = wire_connect(w);
        wire_send_bytes(w, fd, echo, LARGE);
        reply = wire_receive(w, fd);
        assert_non_null(strstr(reply, "xxxxxxxx"));
        wire_send_bytes(w, fd, huge, WIRE_MESSAGE_MAX + 1);
        expect_too_large(w, fd, WIRE_MESSAGE_MAX, WIRE_MESSAGE_MAX + 1);
        close(fd);
        wire_stop(w);
}

/* All threads of the loop, which have nothing else to do here, until they are let go. */
typedef struct Busy {
        uv_work_t works[64];
        sem_t go;
        size_t n_running;
} Busy;

static void busy_run(uv_work_t *work)
{
        Busy *busy = work->data;

        __atomic_add_fetch(&busy->n_running, 1, __ATOMIC_SEQ_CST);
        while (sem_wait(&busy->go) < 0)
                ;
}

static void busy_done(uv_work_t *work, int status)
{
}

static void busy_begin(Wire *w, Busy *busy)
{
        *busy = (Busy){};
        assert_int_equal(sem_init(&busy->go, 0, 0), 0);
        for (size_t i = 0; i < ARRAY_SIZE(busy->works); i++) {
                busy->works[i].data = busy;
                assert_int_equal(uv_queue_work(&w->test.loop, &busy->works[i], busy_run, busy_done),
                                 0);
        }
        test_loop_until(&w->test, __atomic_load_n(&busy->n_running, __ATOMIC_SEQ_CST) >= 4);
}

static void busy_end(Busy *busy)
{
        for (size_t i = 0; i < ARRAY_SIZE(busy->works); i++)
                sem_post(&busy->go);
}

/* What is parsed elsewhere holds up neither the loop nor others, only its own connection. */
static void test_off_the_loop(void **state)
{
        Wire *w = wire_start();
        _cleanup_free_ char *call = call_of(CALL("t.Echo"), "\"}}", LARGE), *reply = NULL;
        int fd = wire_connect(w);
        Busy busy;

        busy_begin(w, &busy);
        wire_exchange(w, fd, "{\"method\":\"t.Echo\",\"parameters\":{\"a\":0}}",
                      "{\"parameters\":{\"a\":0}}");
        wire_send_bytes(w, fd, call, LARGE);
        wire_send(w, fd, "{\"method\":\"t.Echo\",\"parameters\":{\"a\":1}}");
        test_loop_for(&w->test, 20);
        assert_int_equal(w->n_calls, 1);
        wire_check_alive(w);
        assert_int_equal(w->n_calls, 2);
        busy_end(&busy);
        reply = wire_receive(w, fd);
        assert_int_equal(strlen(reply), LARGE - 1 - strlen("\"method\":\"t.Echo\","));
        wire_expect(w, fd, "{\"parameters\":{\"a\":1}}");
        close(fd);
        wire_stop(w);
}

/* One of up to this size is not worth a thread. */
static void test_small_on_the_loop(void **state)
{
        Wire *w = wire_start();
        size_t size = WIRE_MESSAGE_SMALL_MAX + 1;
        _cleanup_free_ char *call = call_of(CALL("t.Echo"), "\"}}", size), *reply = NULL;
        int fd = wire_connect(w);
        Busy busy;

        busy_begin(w, &busy);
        wire_send_bytes(w, fd, call, size);
        reply = wire_receive(w, fd);
        assert_non_null(reply);
        busy_end(&busy);
        close(fd);
        wire_stop(w);
}

static size_t n_prepared_freed; /* the handler counts what it frees itself, too */

static void *prepare_thread(json_object *parameters)
{
        pthread_t *thread = malloc(sizeof(*thread));

        assert_true(json_object_is_type(parameters, json_type_object));
        *thread = pthread_self();
        return thread;
}

static void prepared_free(void *data)
{
        n_prepared_freed++;
        free(data);
}

/* Answers whether its parameters were prepared in the loop's thread. */
static int answer_thread(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        pthread_t *thread = wire_call_take_prepared(call);

        assert_non_null(thread);
        assert_null(wire_call_take_prepared(call));
        wire_call_reply(call,
                        json_build("loop",
                                   json_object_new_boolean(pthread_equal(*thread, pthread_self())),
                                   NULL));
        prepared_free(thread);
        return 0;
}

static const WireMethod prepares[] = {
        {"t.Thread", answer_thread, 0, WIRE_MESSAGE_MAX, prepare_thread, prepared_free},
        {"t.Hold", wire_hold, 0, WIRE_MESSAGE_MAX, prepare_thread, prepared_free},
        {},
};

/* What a method makes of a large call's parameters is made where it is parsed. */
static void test_prepared_off_the_loop(void **state)
{
        Wire *w = wire_start_methods(prepares);
        _cleanup_free_ char *large = call_of(CALL("t.Thread"), "\"}}", LARGE);
        _cleanup_free_ char *small = call_of(CALL("t.Thread"), "\"}}", 4096);
        int fd = wire_connect(w);

        wire_send_bytes(w, fd, large, LARGE);
        wire_expect(w, fd, "{\"parameters\":{\"loop\":false}}");
        wire_send_bytes(w, fd, small, 4096);
        wire_expect(w, fd, "{\"parameters\":{\"loop\":true}}");
        assert_int_equal(n_prepared_freed, 2);
        close(fd);
        wire_stop(w);
}

/* What its handler does not take is freed with the call. */
static void test_prepared_is_freed(void **state)
{
        Wire *w = wire_start_methods(prepares);
        _cleanup_free_ char *large = call_of(CALL("t.Hold"), "\"}}", LARGE);
        int fd = wire_connect(w);

        n_prepared_freed = 0;
        wire_send_bytes(w, fd, large, LARGE);
        test_loop_until(&w->test, w->n_held == 1);
        assert_int_equal(n_prepared_freed, 0);
        close(fd);
        test_loop_until(&w->test, w->n_gone == 1);
        wire_call_unref(wire_release(w));
        assert_int_equal(n_prepared_freed, 1);
        wire_stop(w);
}

/* A locked file sent with the first of the call's bytes; returns the same file, opened once more:
 * the lock goes when what was sent is closed (flock(2)). */
static int send_with_fd(Wire *w, int fd, const char *call, size_t size)
{
        int sent = memfd_new("sent"), again;
        char path[40];

        assert_int_equal(flock(sent, LOCK_EX), 0);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", sent);
        again = open(path, O_RDWR | O_CLOEXEC);
        assert_true(again >= 0);
        wire_send_fds(fd, call, 1, &sent, 1);
        close(sent);
        wire_send_bytes(w, fd, call + 1, size - 1);
        return again;
}

static bool is_closed(int again)
{
        return flock(again, LOCK_EX | LOCK_NB) == 0;
}

static const WireMethod hold[] = {{"t.Hold", wire_hold, 0, WIRE_MESSAGE_MAX}, {}};

/* A client that leaves has sent its call all the same. */
static void test_client_leaves(void **state)
{
        _cleanup_free_ char *call = call_of(CALL("t.Hold"), "\"}}", LARGE);
        Wire *w = wire_start_methods(hold);
        int first = wire_connect(w), second = wire_connect(w), end;
        Busy busy;

        busy_begin(w, &busy);
        wire_send_bytes(w, first, call, LARGE);
        end = send_with_fd(w, second, call, LARGE); /* waits: the uid has one at the parser */
        test_loop_for(&w->test, 3);
        close(first);
        close(second);
        test_loop_for(&w->test, 20); /* and the loop does not spin */
        assert_int_equal(w->n_held, 0);
        busy_end(&busy);
        test_loop_until(&w->test, w->n_held == 2 && w->n_gone == 2);
        assert_false(is_closed(end));
        wire_call_unref(wire_release(w));
        wire_call_unref(wire_release(w));
        test_loop_until(&w->test, is_closed(end));
        close(end);
        wire_stop(w);
}

/* The server is closed while messages are parsed and wait. */
static void test_server_closes(void **state)
{
        _cleanup_free_ char *call = call_of(CALL("t.Hold"), "\"}}", LARGE);
        Wire *w = wire_start_methods(hold);
        int fds[3], ends[3];
        Busy busy;

        busy_begin(w, &busy);
        for (int i = 0; i < 3; i++) {
                fds[i] = wire_connect(w);
                ends[i] = send_with_fd(w, fds[i], call, LARGE);
                test_loop_for(&w->test, 3);
        }
        wire_server_close(TAKE_PTR(w->server));
        test_loop_until(&w->test, is_closed(ends[1]) && is_closed(ends[2]));
        assert_false(is_closed(ends[0]));
        busy_end(&busy);
        test_loop_until(&w->test, is_closed(ends[0]));
        assert_int_equal(w->n_held, 0);
        for (int i = 0; i < 3; i++) {
                wire_expect_end(w, fds[i]);
                close(fds[i]);
                close(ends[i]);
        }
        wire_stop(w);
}

#define PIN_SIZE 60000

/* Keeps something that lies behind the whole tree of the call. */
static int pin(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        Wire *w = userdata;

        w->early = realloc(w->early, (w->n_early + 1) * sizeof(void *));
        ((void **)w->early)[w->n_early++] = calloc(1, PIN_SIZE);
        wire_call_reply(call, NULL);
        return 0;
}

/* AddressSanitizer and valgrind have a heap of their own, with a quarantine. */
static bool keeps_what_is_freed(void)
{
#ifdef __SANITIZE_ADDRESS__
        return true;
#else
        return test_under_valgrind();
#endif
}

/* A message of up to 16 MiB leaves nothing behind once it is done, nor does half of one. */
static void test_memory_is_given_back(void **state)
{
        static const WireMethod methods[] = {
                {"t.Echo", wire_echo, 0, WIRE_MESSAGE_MAX},
                {"t.Pin", pin, 0, WIRE_MESSAGE_MAX},
                {},
        };
        Wire *w = wire_start_methods(methods);
        _cleanup_free_ char *half = call_of(CALL("t.Echo"), "\"}}", 12 << 20);
        _cleanup_(buffer_done) Buffer call = {};
        size_t before;

        assert_int_equal(buffer_append_text(&call, "{\"method\":\"t.Pin\",\"parameters\":{\"a\":["),
                         0);
        for (int i = 0; i < 32000; i++)
                assert_int_equal(buffer_append_text(&call, i ? ",{}" : "{}"), 0);
        assert_int_equal(buffer_append(&call, "]}}", 4), 0);
        before = wire_resident();
        for (int i = 0; i < 3; i++) {
                int fd = wire_connect(w), other = wire_connect(w);

                wire_send_bytes(w, fd, call.data, call.size);
                free(wire_receive(w, fd));
                wire_send_bytes(w, other, half, 11 << 20);
                test_loop_for(&w->test, 3);
                assert_true(wire_resident() > before + (8 << 20));
                close(fd);
                close(other);
                test_loop_until(&w->test, wire_server_connections(w->server) == 0);
        }
        if (!keeps_what_is_freed())
                test_loop_until(&w->test, wire_resident() < before + (3 << 20));
        while (w->n_early)
                free(((void **)w->early)[--w->n_early]);
        wire_stop(w);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_small_method),
                cmocka_unit_test(test_unknown_method),
                cmocka_unit_test(test_late_method),
                cmocka_unit_test(test_off_the_loop),
                cmocka_unit_test(test_small_on_the_loop),
                cmocka_unit_test(test_prepared_off_the_loop),
                cmocka_unit_test(test_prepared_is_freed),
                cmocka_unit_test(test_client_leaves),
                cmocka_unit_test(test_server_closes),
                cmocka_unit_test(test_memory_is_given_back),
        };

        heap_prepare();
        return cmocka_run_group_tests(tests, NULL, NULL);
}
