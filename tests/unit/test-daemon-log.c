/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "local/log.h"
#include "local/log_writer.h"

#define LONG 1000 /* bytes of a message */
#define N (3 * LOG_QUEUE_MAX / LONG)

/* All that comes until nobody writes any more. */
static void *read_all(void *userdata)
{
        Buffer *text = userdata;
        int fd = (int)text->size;
        char bytes[65536];
        ssize_t n;

        text->size = 0;
        while ((n = read(fd, bytes, sizeof(bytes))) > 0)
                if (buffer_append(text, bytes, (size_t)n) < 0)
                        break;
        return NULL;
}

/* What is logged while nobody reads; returns what is read in the end. */
static Buffer log_into_pipe(int64_t *ret_msec)
{
        Buffer text = {};
        char filler[LONG + 1];
        pthread_t reader;
        int fds[2], saved;
        int64_t begun;

        memset(filler, 'x', LONG);
        filler[LONG] = 0;
        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        fflush(stderr);
        saved = dup(STDERR_FILENO);
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        log_init(LOG_LEVEL_INFO);
        assert_int_equal(log_start(), 0);
        begun = clock_monotonic_msec();
        for (unsigned i = 0; i < N; i++)
                log_info("%u %s", i, filler);
        log_debug("not logged, nor counted");
        *ret_msec = clock_monotonic_msec() - begun;
        text.size = (size_t)fds[0];
        assert_int_equal(pthread_create(&reader, NULL, read_all, &text), 0);
        log_info("the last one");
        log_stop();
        assert_int_equal(dup2(saved, STDERR_FILENO), STDERR_FILENO);
        close(saved);
        pthread_join(reader, NULL);
        close(fds[0]);
        assert_int_equal(buffer_append(&text, "", 1), 0);
        return text;
}

/* Nobody reads: whoever logs does not wait. What finds no room is counted, and the count stands
 * where it is missing. */
static void test_nobody_reads(void **state)
{
        static const char missing[] = " messages are missing here";
        unsigned long n_read = 0, n_lost = 0;
        int64_t msec = 0;
        Buffer text = log_into_pipe(&msec);

        assert_in_range(msec, 0, 10000);
        for (const char *s = text.data; (s = strstr(s, "cvmd: info: ")); s++)
                n_read++;
        for (const char *s = text.data; (s = strstr(s, missing)); s++) {
                const char *number = s;

                while (number[-1] != ' ')
                        number--;
                n_lost += strtoul(number, NULL, 10);
        }
        assert_in_range(n_lost, N / 3, N);
        assert_int_equal(n_read + n_lost, N + 1);
        buffer_done(&text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {cmocka_unit_test(test_nobody_reads)};

        return cmocka_run_group_tests(tests, NULL, NULL);
}
