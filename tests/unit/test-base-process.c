/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "base/process.h"
#include "leaks.h"

static pid_t start_child(void)
{
        pid_t pid = fork();

        assert_true(pid >= 0);
        if (pid == 0)
                for (;;)
                        pause();
        return pid;
}

static void reap(pid_t pid)
{
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_start_time(void **state)
{
        uint64_t mine, childs, again;
        pid_t pid;

        assert_int_equal(process_start_time(getpid(), &mine), 0);
        usleep(30000); /* ticks are 10 ms */
        pid = start_child();
        assert_int_equal(process_start_time(pid, &childs), 0);
        assert_true(childs > mine);
        assert_int_equal(process_start_time(pid, &again), 0);
        assert_true(again == childs);

        kill(pid, SIGKILL);
        reap(pid);
        assert_int_equal(process_start_time(pid, &again), -ESRCH);
}

static void test_uid(void **state)
{
        uid_t uid = 1;
        pid_t pid = start_child();

        assert_int_equal(process_uid(getpid(), &uid), 0);
        assert_int_equal(uid, geteuid());
        kill(pid, SIGKILL);
        reap(pid);
        assert_int_equal(process_uid(pid, &uid), -ESRCH);
        if (geteuid() != 0)
                return;
        pid = fork();
        if (pid == 0) {
                /* as the effective one of three */
                if (setresuid(61001, 61002, 61003) == 0)
                        for (;;)
                                pause();
                _exit(1);
        }
        for (unsigned i = 0; i < 1000 && uid != 61002; i++) {
                usleep(1000);
                assert_int_equal(process_uid(pid, &uid), 0);
        }
        assert_int_equal(uid, 61002);
        kill(pid, SIGKILL);
        reap(pid);
}

static void test_resident(void **state)
{
        size_t size = 32u << 20;
        uint64_t before, after;
        /* not by malloc(), which may touch it at once (MALLOC_PERTURB_) */
        char *memory = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
        pid_t pid;

        assert_true(memory != MAP_FAILED);
        assert_int_equal(process_resident(getpid(), &before), 0);
        memset(memory, 1, size);
        assert_int_equal(process_resident(getpid(), &after), 0);
        assert_true(after >= before + size / 2 && after < before + 2 * size);
        munmap(memory, size);

        pid = start_child();
        kill(pid, SIGKILL);
        reap(pid);
        assert_int_equal(process_resident(pid, &after), -ESRCH);
}

/* Field 2 of /proc/PID/stat may hold spaces and parentheses. */
static void test_odd_name(void **state)
{
        static const char name[] = ") R 1 (x 2";
        char old[16] = {};
        uint64_t before, after;
        FILE *comm = fopen("/proc/self/comm", "r+");

        assert_non_null(comm);
        assert_int_equal(process_start_time(getpid(), &before), 0);
        assert_non_null(fgets(old, sizeof(old), comm));
        rewind(comm);
        assert_true(fputs(name, comm) >= 0 && fflush(comm) == 0);
        assert_int_equal(process_start_time(getpid(), &after), 0);
        assert_true(before == after);
        rewind(comm);
        fputs(old, comm);
        fclose(comm);
}

static void test_verified(void **state)
{
        pid_t pid = start_child();
        struct pollfd poll_fd = {.events = POLLIN};
        _cleanup_close_ int fd = -1;
        uint64_t started;

        assert_int_equal(process_start_time(pid, &started), 0);
        assert_int_equal(process_open_verified(pid, started + 1), -ESRCH);
        fd = process_open_verified(pid, started);
        assert_true(fd >= 0);
        assert_int_equal(fcntl(fd, F_GETFD) & FD_CLOEXEC, FD_CLOEXEC);

        assert_int_equal(process_signal(fd, 0), 0);
        assert_int_equal(process_signal(fd, SIGKILL), 0);
        poll_fd.fd = fd;
        assert_int_equal(poll(&poll_fd, 1, 10000), 1); /* readable at its death */
        reap(pid);
        assert_int_equal(process_signal(fd, SIGKILL), -ESRCH);
        assert_int_equal(process_open_verified(pid, started), -ESRCH);
        assert_int_equal(process_open(pid), -ESRCH);
}

/* Who is not the parent learns of the end once the parent has. */
static void test_exit_status(void **state)
{
        static const int wanted[] = {3, -SIGTERM};

        for (size_t i = 0; i < ARRAY_SIZE(wanted); i++) {
                pid_t pid = fork();
                _cleanup_close_ int fd = -1;
                struct pollfd end;
                int status, r;

                if (pid == 0) {
                        if (wanted[i] >= 0)
                                _exit(wanted[i]);
                        raise(-wanted[i]);
                }
                fd = process_open(pid);
                end = (struct pollfd){.fd = fd, .events = POLLIN};
                assert_int_equal(poll(&end, 1, 10000), 1);
                r = process_exit_status(fd, &status);
                reap(pid);
                if (r == -ENOTTY || r == -EINVAL) {
                        skip(); /* a kernel that tells nobody */
                        return;
                }
                assert_int_equal(r, -EAGAIN);
                r = process_exit_status(fd, &status);
                if (r < 0) {
                        skip();
                        return;
                }
                assert_int_equal(WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status),
                                 wanted[i]);
        }
}

typedef struct Thread {
        pid_t tid;
        int to_main[2], to_thread[2];
} Thread;

static void *run_thread(void *userdata)
{
        Thread *thread = userdata;
        char c;

        thread->tid = (pid_t)syscall(SYS_gettid);
        assert_int_equal(write(thread->to_main[1], "x", 1), 1);
        assert_int_equal(read(thread->to_thread[0], &c, 1), 1);
        return NULL;
}

/* A recorded pid may be a thread of another process now: that process is gone too. */
static void test_thread(void **state)
{
        Thread thread = {};
        pthread_t handle;
        uint64_t started;
        char c;

        assert_int_equal(pipe2(thread.to_main, O_CLOEXEC), 0);
        assert_int_equal(pipe2(thread.to_thread, O_CLOEXEC), 0);
        assert_int_equal(pthread_create(&handle, NULL, run_thread, &thread), 0);
        assert_int_equal(read(thread.to_main[0], &c, 1), 1);
        assert_int_equal(process_start_time(thread.tid, &started), 0); /* /proc has it */
        assert_int_equal(process_open(thread.tid), -ESRCH);
        assert_int_equal(process_open_verified(thread.tid, started), -ESRCH);
        assert_int_equal(write(thread.to_thread[1], "x", 1), 1);
        pthread_join(handle, NULL);
        for (int i = 0; i < 2; i++) {
                close(thread.to_main[i]);
                close(thread.to_thread[i]);
        }
}

/* No pid that could name a group, all processes or nobody. */
static void test_odd_pids(void **state)
{
        assert_int_equal(process_open(0), -EINVAL);
        assert_int_equal(process_open(-1), -EINVAL);
        assert_int_equal(process_open_verified(0, 0), -EINVAL);
}

static void test_boot_id(void **state)
{
        char id[37], again[37];

        assert_int_equal(process_boot_id(id), 0);
        assert_int_equal(strlen(id), 36);
        assert_int_equal(strspn(id, "0123456789abcdef-"), 36);
        assert_int_equal(process_boot_id(again), 0);
        assert_string_equal(id, again);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_start_time),  leaks_unit_test(test_resident),
                leaks_unit_test(test_uid),         leaks_unit_test(test_odd_name),
                leaks_unit_test(test_verified),    leaks_unit_test(test_thread),
                leaks_unit_test(test_odd_pids),    leaks_unit_test(test_boot_id),
                leaks_unit_test(test_exit_status),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
