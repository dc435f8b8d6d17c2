/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <pthread.h>
#include <sys/wait.h>

#include "base/buffer.h"
#include "base/clock.h"
#include "local/log.h"
#include "local/log_writer.h"

#define LONG 1000   /* bytes of a message */
#define LONGER 3000 /* at most, of one for a terminal: all sizes, for what room there is */
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
static Buffer log_into(const int *fds, unsigned n, int64_t *ret_msec)
{
        Buffer text = {};
        char filler[LONGER + 1];
        pthread_t reader;
        int64_t begun;
        int saved;

        memset(filler, 'x', LONGER);
        filler[LONGER] = 0;
        fflush(stderr);
        saved = dup(STDERR_FILENO);
        assert_int_equal(dup2(fds[1], STDERR_FILENO), STDERR_FILENO);
        close(fds[1]);
        log_init(LOG_LEVEL_INFO);
        assert_int_equal(log_start(), 0);
        begun = clock_monotonic_msec();
        for (unsigned i = 0; i < n; i++)
                log_info("%u %.*s", i, isatty(STDERR_FILENO) ? (int)(i * 97 % LONGER) : LONG,
                         filler);
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

/* The messages that were read, and how many the log says are missing. */
static void count_messages(const Buffer *text, unsigned long *ret_read, unsigned long *ret_lost)
{
        static const char missing[] = " messages are missing here";
        unsigned long n_read = 0, n_lost = 0;

        for (const char *s = text->data; (s = strstr(s, "cvmd: info: ")); s++)
                n_read++;
        for (const char *s = text->data; (s = strstr(s, missing)); s++) {
                const char *number = s;

                while (number[-1] != ' ')
                        number--;
                n_lost += strtoul(number, NULL, 10);
        }
        *ret_read = n_read;
        *ret_lost = n_lost;
}

/* Nobody reads: whoever logs does not wait. What finds no room is counted, and the count stands
 * where it is missing. */
static void check_pipe(int flags)
{
        unsigned long n_read, n_lost;
        int64_t msec = 0;
        Buffer text;
        int fds[2];

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        assert_int_equal(fcntl(fds[1], F_SETFL, flags), 0);
        text = log_into(fds, N, &msec);
        assert_in_range(msec, 0, 10000);
        count_messages(&text, &n_read, &n_lost);
        assert_in_range(n_lost, N / 3, N);
        assert_int_equal(n_read + n_lost, N + 1);
        buffer_done(&text);
}

static void test_nobody_reads(void **state)
{
        check_pipe(0);
}

/* Whoever shares the pipe may set that. */
static void test_pipe_does_not_block(void **state)
{
        check_pipe(O_NONBLOCK);
}

static void open_terminal(int *fds)
{
        fds[0] = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(fds[0] >= 0);
        assert_int_equal(grantpt(fds[0]), 0);
        assert_int_equal(unlockpt(fds[0]), 0);
        fds[1] = open(ptsname(fds[0]), O_RDWR | O_NOCTTY | O_CLOEXEC);
        assert_true(fds[1] >= 0);
}

/* A terminal that polls as writable may take less than a line. */
static void test_nobody_reads_a_terminal(void **state)
{
        unsigned long n_read, n_lost;
        int64_t msec = 0;
        Buffer text;
        int fds[2];

        open_terminal(fds);
        text = log_into(fds, 300, &msec);
        assert_in_range(msec, 0, 10000);
        count_messages(&text, &n_read, &n_lost);
        assert_int_equal(n_lost, 0);
        assert_int_equal(n_read, 301);
        buffer_done(&text);
}

/* The end waits for a while, and not longer. A process of its own: the thread hangs for good. */
static void test_the_end_is_not_held(void **state)
{
        int fds[2], status;
        pid_t pid;

        assert_int_equal(pipe2(fds, O_CLOEXEC), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                int64_t begun;

                dup2(fds[1], STDERR_FILENO);
                log_start();
                for (unsigned i = 0; i < 2000; i++)
                        log_info("%u: nobody reads this, and there is no room for all of it", i);
                begun = clock_monotonic_msec();
                log_stop();
                begun = clock_monotonic_msec() - begun;
                _exit(begun < LOG_STOP_MSEC - 50 || begun > 5 * LOG_STOP_MSEC);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_int_equal(status, 0);
        close(fds[0]);
        close(fds[1]);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_nobody_reads),
                cmocka_unit_test(test_pipe_does_not_block),
                cmocka_unit_test(test_nobody_reads_a_terminal),
                cmocka_unit_test(test_the_end_is_not_held),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
