/* SPDX-License-Identifier: Apache-2.0 */

/* Streams: all that comes is read, and one that floods waits. */

#include "test.h"

#include <sys/socket.h>
#include <unistd.h>

#include "loop.h"
#include "wire/stream.h"

#define MUCH 1024u
#define PAUSE_MSEC 300

typedef struct Reader {
        Stream stream;
        size_t n_bytes, n_reads, n_closed;
        unsigned asks; /* for a pause, in milliseconds */
} Reader;

static void on_data(Stream *stream, const char *data, size_t size)
{
        Reader *reader = stream->userdata;

        reader->n_reads++;
        reader->n_bytes += size;
        if (reader->asks)
                stream_ask_pause(stream, reader->asks);
}

static void on_closed(Stream *stream)
{
        Reader *reader = stream->userdata;

        reader->n_closed++;
}

static const StreamCallbacks paced = {on_data, on_closed, MUCH, PAUSE_MSEC};
static const StreamCallbacks unpaced = {on_data, on_closed};

static int reader_open(Reader *reader, TestLoop *test, const StreamCallbacks *callbacks)
{
        int fds[2];

        *reader = (Reader){};
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(stream_open(&test->loop, &reader->stream, fds[1], callbacks, reader), 0);
        return fds[0];
}

/* Writes so many bytes, which the loop has not read yet. */
static void write_bytes(int fd, size_t size)
{
        static const char bytes[8 * MUCH];

        assert_int_equal(write(fd, bytes, size), size);
}

static void test_little(void **state)
{
        int64_t begin = test_now_msec();
        Reader reader;
        TestLoop test;
        int fd;

        test_loop_init(&test);
        fd = reader_open(&reader, &test, &paced);
        for (size_t i = 1; i <= 100; i++) {
                write_bytes(fd, 10);
                test_loop_until(&test, reader.n_bytes == 10 * i);
        }
        assert_true(test_now_msec() - begin < 100 * PAUSE_MSEC);
        close(fd);
        test_loop_until(&test, reader.n_closed == 1);
        test_loop_finish(&test);
}

static void test_flood(void **state)
{
        Reader reader;
        TestLoop test;
        int64_t begin;
        int fd;

        test_loop_init(&test);
        fd = reader_open(&reader, &test, &paced);
        begin = test_now_msec();
        write_bytes(fd, MUCH);
        test_loop_until(&test, reader.n_bytes == MUCH);
        for (size_t i = 2; i <= 4; i++) {
                write_bytes(fd, MUCH);
                test_loop_until(&test, reader.n_bytes == MUCH * i);
        }
        assert_true(test_now_msec() - begin >= 3 * PAUSE_MSEC - 10);
        assert_int_equal(reader.n_reads, 4);

        /* its end is seen after the pause, and what it said last is had before */
        write_bytes(fd, MUCH);
        close(fd);
        stream_finish(&reader.stream);
        assert_int_equal(reader.n_bytes, 5 * MUCH);
        test_loop_until(&test, reader.n_closed == 1);

        fd = reader_open(&reader, &test, &paced);
        write_bytes(fd, MUCH);
        close(fd);
        test_loop_until(&test, reader.n_closed == 1);
        assert_int_equal(reader.n_bytes, MUCH);
        test_loop_finish(&test);
}

/* Whoever gets the bytes may want a pause after each; one that asks no more gets none. */
static void test_pause_on_request(void **state)
{
        int64_t begin = test_now_msec();
        Reader reader;
        TestLoop test;
        int fd;

        test_loop_init(&test);
        fd = reader_open(&reader, &test, &unpaced);
        reader.asks = PAUSE_MSEC;
        for (size_t i = 1; i <= 3; i++) {
                write_bytes(fd, 10);
                test_loop_until(&test, reader.n_bytes == 10 * i);
        }
        assert_true(test_now_msec() - begin >= 2 * PAUSE_MSEC - 10);
        reader.asks = 0;
        begin = test_now_msec();
        for (size_t i = 1; i <= 100; i++) {
                write_bytes(fd, 10);
                test_loop_until(&test, reader.n_bytes == 30 + 10 * i);
        }
        assert_true(test_now_msec() - begin < 100 * PAUSE_MSEC);
        close(fd);
        test_loop_until(&test, reader.n_closed == 1);
        test_loop_finish(&test);
}

static void test_unpaced(void **state)
{
        int64_t begin = test_now_msec();
        Reader reader;
        TestLoop test;
        int fd;

        test_loop_init(&test);
        fd = reader_open(&reader, &test, &unpaced);
        for (size_t i = 1; i <= 100; i++) {
                write_bytes(fd, MUCH);
                test_loop_until(&test, reader.n_bytes == MUCH * i);
        }
        assert_true(test_now_msec() - begin < 100 * PAUSE_MSEC);
        stream_close(&reader.stream);
        stream_close(&reader.stream);
        close(fd);
        test_loop_until(&test, reader.n_closed == 1);
        test_loop_finish(&test);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_little),
                cmocka_unit_test(test_flood),
                cmocka_unit_test(test_pause_on_request),
                cmocka_unit_test(test_unpaced),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
