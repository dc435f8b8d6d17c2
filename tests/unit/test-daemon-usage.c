/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>

#include "base/process.h"
#include "directory.h"
#include "local/usage.h"

#define UNIT "cvm-web-42.scope"

static void write_file(const char *directory, const char *name, const char *text)
{
        _cleanup_free_ char *path = NULL;
        FILE *file;

        assert_true(asprintf(&path, "%s/%s", directory, name) > 0);
        file = fopen(path, "w");
        assert_non_null(file);
        fputs(text, file);
        fclose(file);
}

static Usage nothing(void)
{
        Usage usage = {};

        for (size_t i = 0; i < _USAGE_COUNTER_MAX; i++)
                usage.counters[i] = -1;
        return usage;
}

static bool read_scope(const char *directory, Usage *usage)
{
        _cleanup_close_ int fd = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        *usage = nothing();
        return usage_read_scope(fd, usage);
}

/* As Linux 6.12 writes them. */
static void test_scope(void **state)
{
        static const int64_t wanted[_USAGE_COUNTER_MAX] = {
                [USAGE_CPU_USEC] = 9000,
                [USAGE_CPU_USER_USEC] = 5000,
                [USAGE_CPU_SYSTEM_USEC] = 4000,
                [USAGE_MEMORY] = 123456,
                [USAGE_MEMORY_PEAK] = 234567,
                [USAGE_MEMORY_HIGH] = 1 << 20,
                [USAGE_MEMORY_MAX] = -1,
                [USAGE_READ_BYTES] = 4096 + 512,
                [USAGE_WRITTEN_BYTES] = 8192,
                [USAGE_READS] = 3,
                [USAGE_WRITES] = 2,
                [USAGE_RECEIVED_BYTES] = -1,
                [USAGE_SENT_BYTES] = -1,
                [USAGE_TASKS] = 7,
        };
        _cleanup_(directory_remove) char *directory = directory_make();
        Usage usage;

        write_file(directory, "cpu.stat",
                   "usage_usec 9000\nuser_usec 5000\nsystem_usec 4000\nnice_usec 1\n"
                   "core_sched.force_idle_usec 0\nnr_periods 0\n");
        write_file(directory, "memory.current", "123456\n");
        write_file(directory, "memory.peak", "234567\n");
        write_file(directory, "memory.high", "1048576\n");
        write_file(directory, "memory.max", "max\n");
        write_file(directory, "pids.current", "7\n");
        write_file(directory, "io.stat",
                   "8:0 rbytes=4096 wbytes=8192 rios=1 wios=2 dbytes=99 dios=9\n"
                   "259:0 rbytes=512 wbytes=0 rios=2 wios=0 dbytes=0 dios=0\n");
        assert_true(read_scope(directory, &usage));
        assert_memory_equal(usage.counters, wanted, sizeof(wanted));
        write_file(directory, "io.stat", "");
        assert_true(read_scope(directory, &usage));
        assert_int_equal(usage.counters[USAGE_READ_BYTES], 0);
        assert_int_equal(usage.counters[USAGE_WRITES], 0);
}

/* Controllers may be missing: a user's manager has no io. */
static void test_part_of_a_scope(void **state)
{
        _cleanup_(directory_remove) char *directory = directory_make();
        Usage usage;

        assert_false(read_scope(directory, &usage));
        write_file(directory, "cpu.stat", "usage_usec 1\n");
        write_file(directory, "memory.current", "99999999999999999999\n");
        assert_true(read_scope(directory, &usage));
        assert_int_equal(usage.counters[USAGE_CPU_USEC], 1);
        assert_int_equal(usage.counters[USAGE_CPU_USER_USEC], -1);
        assert_int_equal(usage.counters[USAGE_MEMORY], -1);
        assert_int_equal(usage.counters[USAGE_READ_BYTES], -1);
        assert_int_equal(usage.counters[USAGE_TASKS], -1);
}

static void test_where_the_scope_is(void **state)
{
        static const struct {
                const char *text;
                bool found;
        } cases[] = {
                {"0::/cvm.slice/" UNIT "\n", true},
                {"4:memory:/x\n0::/cvm.slice/" UNIT "\n", true},
                {"0::/cvm.slice/" UNIT, true},
                {"0::/" UNIT "\n", false}, /* there is no such directory */
                {"0::/cvm.slice/cvm-web-43.scope\n", false},
                {"0::/cvm.slice/" UNIT "/below\n", false},
                {"0::/cvm.slice\n", false},
                {"0::/../cvm.slice/" UNIT "\n", false},
                {"0::/\n", false},
                {"1:cpu:/cvm.slice/" UNIT "\n", false},
                {"", false},
        };
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_close_ int root = open(directory, O_PATH | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(mkdirat(root, "cvm.slice", 0700), 0);
        assert_int_equal(mkdirat(root, "cvm.slice/" UNIT, 0700), 0);
        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_close_ int fd = usage_open_scope(root, cases[i].text, UNIT);

                assert_int_equal(fd >= 0, cases[i].found);
        }
}

#define TOUCHED (64u << 20)

/* Uses the CPU for a while and memory, and waits for its end. Its name is like a line of its
 * status. */
static pid_t start_child(void)
{
        int ready[2];
        char byte;
        pid_t pid;

        assert_int_equal(pipe(ready), 0);
        pid = fork();
        if (pid == 0) {
                char *memory = mmap(NULL, TOUCHED, PROT_READ | PROT_WRITE,
                                    MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

                prctl(PR_SET_PDEATHSIG, SIGKILL); /* a test that fails does not end it */
                prctl(PR_SET_NAME, "a VmHWM: 7 kB");
                memset(memory, 1, TOUCHED);
                while (clock() < CLOCKS_PER_SEC / 10)
                        ;
                (void)!write(ready[1], "x", 1);
                for (;;)
                        pause();
        }
        close(ready[1]);
        assert_int_equal(read(ready[0], &byte, 1), 1);
        close(ready[0]);
        return pid;
}

static void test_process(void **state)
{
        pid_t pid = start_child();
        uint64_t start_time;
        Usage usage;

        assert_int_equal(process_start_time(pid, &start_time), 0);
        usage_read(pid, start_time, UNIT, NULL, &usage); /* it is in no scope of that name */
        assert_int_equal(usage.source, USAGE_OF_PROCESS);
        assert_string_equal(usage_source_name(usage.source), "process");
        assert_in_range(usage.counters[USAGE_CPU_USEC], 80000, 60000000);
        assert_int_equal(usage.counters[USAGE_CPU_USEC],
                         usage.counters[USAGE_CPU_USER_USEC] +
                                 usage.counters[USAGE_CPU_SYSTEM_USEC]);
        assert_in_range(usage.counters[USAGE_MEMORY], TOUCHED, 2 * TOUCHED);
        assert_in_range(usage.counters[USAGE_MEMORY_PEAK], TOUCHED, 2 * TOUCHED);
        assert_int_equal(usage.counters[USAGE_MEMORY_MAX], -1);
        assert_true(usage.counters[USAGE_WRITTEN_BYTES] >= 0);
        assert_int_equal(usage.counters[USAGE_READS], -1);
        assert_int_equal(usage.counters[USAGE_TASKS], 1);
        assert_int_equal(usage.counters[USAGE_SENT_BYTES], -1);
        usage_read(pid, start_time, NULL, "lo", &usage);
        assert_true(usage.counters[USAGE_SENT_BYTES] >= 0);
        assert_int_equal(usage.counters[USAGE_SENT_BYTES], usage.counters[USAGE_RECEIVED_BYTES]);

        usage_read(pid, start_time + 1, NULL, "lo", &usage);
        assert_int_equal(usage.source, USAGE_OF_NOTHING);
        for (size_t i = 0; i < _USAGE_COUNTER_MAX; i++)
                assert_int_equal(usage.counters[i], -1);
        kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        usage_read(pid, start_time, NULL, NULL, &usage);
        assert_int_equal(usage.source, USAGE_OF_NOTHING);
        assert_null(usage_source_name(usage.source));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_scope),
                cmocka_unit_test(test_part_of_a_scope),
                cmocka_unit_test(test_where_the_scope_is),
                cmocka_unit_test(test_process),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
