/* SPDX-License-Identifier: Apache-2.0 */
/* What a daemon makes of what the last one left. Usage: test-daemon-recover FAKE-QEMU */
#include "../unit/test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "base/json.h"
#include "base/tree.h"
#include "daemon.h"

#define NAME "{\"name\":\"web\"}"
#define OTHER_ID "01234567-89ab-4def-8123-456789abcdef"

static Daemon *const d = &daemon_of_test;

/* The daemon is gone without a word to anybody. */
static void crash(void)
{
        parts_close(&d->parts);
        daemon_stop(d);
}

static pid_t pid_of(const char *name)
{
        Vm *vm = daemon_vm(d, name);

        return vm->ops->pid(vm->process.driver);
}

/* The process ends, and is this one's child. */
static void await_end(pid_t pid)
{
        int status;

        test_loop_until(&d->test, waitpid(pid, &status, WNOHANG) == pid);
}

static char *record_path(const char *id)
{
        _cleanup_free_ char *relative = NULL;

        assert_true(asprintf(&relative, "state/records/%s.json", id) > 0);
        return daemon_path(d, relative);
}

static json_object *read_record(const char *id)
{
        _cleanup_free_ char *path = record_path(id), *text = NULL;
        json_object *record;
        size_t size;

        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &text, &size), 0);
        assert_int_equal(json_parse(text, size, &record, NULL), 0);
        return record;
}

static void write_text(const char *path, const char *text)
{
        FILE *file = fopen(path, "we");

        assert_non_null(file);
        assert_true(fputs(text, file) >= 0);
        assert_int_equal(fclose(file), 0);
        assert_int_equal(chmod(path, 0600), 0);
}

static void write_record(const char *id, json_object *record)
{
        _cleanup_free_ char *path = record_path(id);

        write_text(path, json_object_to_json_string(record));
}

static void test_running_is_adopted(void **state)
{
        pid_t pid;

        assert_launched(daemon_launch(d, "web", "", ",\"wait\":\"ready\""), "running");
        pid = pid_of("web");
        daemon_stop(d);
        daemon_start(d);
        assert_int_equal(pid_of("web"), pid);
        assert_true(daemon_vm(d, "web")->guest.ready);
        assert_int_equal(daemon_count(d, "run/shares"), 1);
        assert_cvm(daemon_call(d, "Pause", NAME), "paused", NULL);
        crash();
        daemon_start(d);
        assert_true(daemon_is(d, "web", VM_PAUSED));
        assert_cvm(daemon_call(d, "Resume", NAME), "running", NULL);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        await_end(pid);
        daemon_stop(d);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "stopped", "stopped");
}

/* What happened while no daemon was there. */
static void test_ended_meanwhile(void **state)
{
        pid_t pid;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        pid = pid_of("web");
        crash();
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "lost");

        assert_launched(daemon_launch(d, "web", "fake.poweroff-ms=100", ""), "running");
        pid = pid_of("web");
        crash();
        nanosleep(&(struct timespec){.tv_nsec = 300 * 1000 * 1000}, NULL);
        daemon_start(d);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPED));
        assert_cvm(daemon_call(d, "Status", NAME), "stopped", "power-off-or-reboot");
        await_end(pid);
}

static void test_launch_in_work_is_undone(void **state)
{
        int fd = daemon_connect(d);
        pid_t pid;

        daemon_send_launch(d, fd, "web", "fake.qmp-silent", "");
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_CREATED));
        pid = pid_of("web");
        crash();
        assert_int_equal(kill(pid, 0), 0);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        await_end(pid);
        close(fd);
}

/* QEMU waits at its gate: the launch leaves nothing, and the CVM that it was to replace is there as
 * it was. In which order the records are read depends on the ids. */
static void test_launch_at_the_gate_leaves_the_older_one(void **state)
{
        for (char c = '0'; c <= '7'; c++) {
                _cleanup_json_ json_object *before = NULL, *after = NULL;
                _cleanup_free_ char *id = NULL;
                char extra[] = ",\"id\":\"" OTHER_ID "\"";
                int fd = daemon_connect(d);
                const Event *last;
                pid_t pid;

                extra[strlen(",\"id\":\"")] = c;
                assert_launched(daemon_launch(d, "web", "", ""), "running");
                assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
                id = strdup(daemon_vm(d, "web")->id);
                before = daemon_call(d, "Status", NAME);
                daemon_send_launch(d, fd, "web", "", extra);
                test_loop_until(&d->test, daemon_is_at(d, LAUNCH_RECORDED));
                pid = pid_of("web");
                crash();
                daemon_start(d);
                assert_string_equal(daemon_vm(d, "web")->id, id);
                after = daemon_call(d, "Status", NAME);
                assert_true(json_object_equal(before, after));
                assert_int_equal(d->manager->home.table.n_ids, 1);
                assert_int_equal(daemon_count(d, "run/vms"), 0);
                last = events_get(d->manager->home.events,
                                  events_next_sequence(d->manager->home.events) - 1);
                assert_string_equal(last->id, id);
                assert_string_equal(json_member_string(last->json, "newState"), "stopped");
                await_end(pid);
                close(fd);
                json_object_put(daemon_call(d, "Remove", NAME));
                assert_int_equal(daemon_count(d, "state/records"), 0);
        }
}

/* Its sockets are gone; its process is not. */
static void test_launch_without_a_directory_is_undone(void **state)
{
        _cleanup_free_ char *vms = daemon_path(d, "run/vms");
        int fd = daemon_connect(d);
        pid_t pid;

        daemon_send_launch(d, fd, "web", "fake.qmp-silent", "");
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_CREATED));
        pid = pid_of("web");
        crash();
        assert_int_equal(tree_remove_at(AT_FDCWD, vms), 0);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        await_end(pid);
        close(fd);
}

/* Same number, other process: never touched. */
static void test_foreign_process_is_left_alone(void **state)
{
        _cleanup_json_ json_object *record = NULL;
        _cleanup_free_ char *id = NULL;
        pid_t pid;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        id = strdup(daemon_vm(d, "web")->id);
        pid = pid_of("web");
        crash();
        record = read_record(id);
        json_object_object_add(record, "startTime", json_object_new_int64(1));
        write_record(id, record);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "lost");
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);

        daemon_stop(d);
        json_object_object_add(record, "bootId", json_object_new_string("another"));
        write_record(id, record);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "lost");
        assert_int_equal(waitpid(pid, NULL, WNOHANG), 0);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_one_daemon_a_directory(void **state)
{
        _cleanup_free_ char *runtime = daemon_path(d, "run"), *state_dir = daemon_path(d, "state"),
                            *other = daemon_path(d, "other"), *message = NULL;
        const ManagerDirectories all[] = {
                {runtime, state_dir}, {runtime, other}, {other, state_dir}};
        int fd = daemon_connect(d);

        daemon_send_launch(d, fd, "web", "fake.qmp-silent", "");
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_CREATED));
        for (size_t i = 0; i < ARRAY_SIZE(all); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};
                Manager *second;

                assert_int_equal(manager_new(&d->test.loop, d->config, &all[i], &second, &error),
                                 -EBUSY);
                free(message);
                message = cvm_error_message(&error);
                assert_non_null(strstr(message, "another cvmd"));
                manager_free(second);
        }
        assert_true(daemon_is(d, "web", VM_STARTING));
        assert_int_equal(daemon_count(d, "run/vms"), 1);
        close(fd);
        test_loop_until(&d->test, !vm_state_is_live(daemon_vm(d, "web")->state));
}

/* A child that a killed daemon was just making has its lock for some milliseconds. */
static void test_the_lock_of_one_that_is_dying(void **state)
{
        _cleanup_free_ char *path = daemon_path(d, "run/vms");
        pid_t pid;
        int fd;

        daemon_stop(d);
        test_loop_finish(&d->test);
        test_loop_init(&d->test);
        fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_int_equal(flock(fd, LOCK_EX | LOCK_NB), 0);
        pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
                usleep(300 * 1000);
                _exit(0);
        }
        close(fd);
        daemon_start(d);
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A record of a CVM that has ended, and one that runs under its name now. */
static void test_the_living_has_the_name(void **state)
{
        _cleanup_json_ json_object *record = NULL;
        char id[] = OTHER_ID;
        pid_t pid;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        pid = pid_of("web");
        record = read_record(daemon_vm(d, "web")->id);
        json_object_object_add(record, "state", json_object_new_string("stopped"));
        crash();
        for (char c = '0'; c <= '7'; c++) { /* some come before, some after it */
                id[0] = c;
                json_object_object_add(record, "id", json_object_new_string(id));
                write_record(id, record);
        }
        daemon_start(d);
        assert_true(daemon_is(d, "web", VM_RUNNING));
        assert_int_equal(pid_of("web"), pid);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        await_end(pid);
}

static void test_left_consoles_go(void **state)
{
        _cleanup_free_ char *left = daemon_path(d, "state/consoles/" OTHER_ID ".log.1"),
                            *bad = daemon_path(d, "state/records/" OTHER_ID ".json.bad");

        assert_launched(daemon_launch(d, "web", "fake.console-bytes=100", ""), "running");
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 1);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        daemon_stop(d);
        write_text(left, "old");
        daemon_start(d);
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 1);
        daemon_stop(d);
        /* of a record that was set aside: somebody may want to look at it */
        write_text(left, "old");
        write_text(bad, "{}");
        daemon_start(d);
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 2);
}

/* What lives is on record as live; *pid is 0 once it is gone. */
static void assert_on_record(const char *id, pid_t *pid)
{
        _cleanup_json_ json_object *record = read_record(id);

        if (*pid && waitpid(*pid, NULL, WNOHANG) == 0)
                assert_string_equal(json_member_string(record, "state"), "running");
        else
                *pid = 0;
}

/* Descriptors that are lacking are no reason to give up a CVM, whichever of two is read last. */
static void test_want_of_descriptors(void **state)
{
        static const char *const names[] = {"web", "two"};
        _cleanup_free_ char *runtime = daemon_path(d, "run"), *state_dir = daemon_path(d, "state");
        const ManagerDirectories directories = {runtime, state_dir};
        char *ids[ARRAY_SIZE(names)];
        pid_t pids[ARRAY_SIZE(names)];
        struct rlimit all, few;
        int r = -1;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                assert_launched(daemon_launch(d, names[i], "", ""), "running");
                pids[i] = pid_of(names[i]);
                ids[i] = strdup(daemon_vm(d, names[i])->id);
        }
        crash();
        assert_int_equal(getrlimit(RLIMIT_NOFILE, &all), 0);
        few = all;
        for (few.rlim_cur = 4; few.rlim_cur < 80 && r < 0; few.rlim_cur++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                assert_int_equal(setrlimit(RLIMIT_NOFILE, &few), 0);
                r = parts_start(&d->test.loop, d->config, &directories, &d->parts, &error);
                d->manager = d->parts.manager;
                assert_int_equal(setrlimit(RLIMIT_NOFILE, &all), 0);
                crash();
                for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                        assert_on_record(ids[i], &pids[i]);
        }
        assert_int_equal(r, 0);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                free(ids[i]);
                if (!pids[i])
                        continue;
                assert_int_equal(kill(pids[i], SIGKILL), 0);
                await_end(pids[i]);
        }
        daemon_start(d);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                assert_false(vm_state_is_live(daemon_vm(d, names[i])->state));
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                daemon_test(test_running_is_adopted),
                daemon_test(test_ended_meanwhile),
                daemon_test(test_launch_in_work_is_undone),
                daemon_test(test_launch_at_the_gate_leaves_the_older_one),
                daemon_test(test_launch_without_a_directory_is_undone),
                daemon_test(test_foreign_process_is_left_alone),
                daemon_test(test_one_daemon_a_directory),
                daemon_test(test_the_lock_of_one_that_is_dying),
                daemon_test(test_the_living_has_the_name),
                daemon_test(test_left_consoles_go),
                daemon_test(test_want_of_descriptors),
        };

        daemon_fake_qemu = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
