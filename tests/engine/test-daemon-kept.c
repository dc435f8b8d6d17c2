/* SPDX-License-Identifier: Apache-2.0 */
/* Which CVMs stay when they have ended, or when a launch has failed: and calls that meet.
 * Usage: test-daemon-kept FAKE-QEMU */
#include "../unit/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/json.h"
#include "daemon.h"
#include "vm/vm_logs.h"

#define NAME "{\"name\":\"web\"}"
#define ID "01234567-89ab-4def-8123-456789abcdef"
#define BY_ID ",\"id\":\"" ID "\""

static Daemon *const d = &daemon_of_test;

/* A launch of web whose spec has further members. */
static json_object *launch_with(const char *behaviour, const char *members, const char *extra)
{
        _cleanup_free_ char *spec = daemon_spec(d, "web", behaviour, members), *parameters = NULL;

        assert_true(asprintf(&parameters, "{\"spec\":%s%s}", spec, extra) > 0);
        return daemon_call(d, "Launch", parameters);
}

static void stop_and_remove(void)
{
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        json_object_put(daemon_call(d, "Remove", NAME));
        assert_int_equal(daemon_count(d, "state/records"), 0);
}

/* An artifact that cannot be used: one that ended before is there with all that it was. */
static void test_an_older_one_stays_until_all_is_read(void **state)
{
        _cleanup_free_ char *kernel = daemon_path(d, "kernel"), *away = daemon_path(d, "away");
        _cleanup_free_ char *id = NULL;
        size_t logs;

        assert_launched(daemon_launch(d, "web", "fake.console-bytes=100", ",\"wait\":\"ready\""),
                        "running");
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 1);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        id = strdup(daemon_vm(d, "web")->id);
        logs = vm_logs_count(daemon_vm(d, "web"));
        assert_true(logs > 0);
        assert_int_equal(rename(kernel, away), 0);
        assert_error(daemon_launch(d, "web", "", ""), "InvalidSpec");
        assert_string_equal(daemon_vm(d, "web")->id, id);
        assert_cvm(daemon_call(d, "Status", NAME), "stopped", "stopped");
        test_loop_until(&d->test, daemon_count(d, "state/records") == 1);
        daemon_vm(d, "web")->logs_are_counted = false;
        assert_int_equal(vm_logs_count(daemon_vm(d, "web")), logs);
        /* nor does a daemon that ends meanwhile take it */
        assert_int_equal(rename(away, kernel), 0);
        for (int i = 0; i < 2; i++) {
                int fd = daemon_connect(d);

                daemon_send_launch(d, fd, "web", "", "");
                test_loop_until(&d->test, daemon_is_at(d, LAUNCH_ARTIFACTS));
                assert_true(daemon_is(d, "web", VM_PREPARING));
                if (i)
                        parts_close(&d->parts); /* without a word */
                daemon_stop(d);
                close(fd);
                daemon_start(d);
                assert_string_equal(daemon_vm(d, "web")->id, id);
                assert_cvm(daemon_call(d, "Status", NAME), "stopped", "stopped");
                test_loop_until(&d->test, daemon_count(d, "state/records") == 1);
        }
        assert_launched(daemon_launch(d, "web", "", ""), "running");
        assert_string_not_equal(daemon_vm(d, "web")->id, id);
        assert_int_equal(d->manager->home.table.n_ids, 1);
        stop_and_remove();
}

/* The next message of a watch has this member, the CVM or event that it is about, with this id. */
static void assert_told(int watch, const char *member, const char *id, const char *kind,
                        const char *new_state)
{
        _cleanup_json_ json_object *reply = daemon_receive(d, watch);
        json_object *told = json_member(json_member(reply, "parameters"), member);

        assert_non_null(told);
        assert_string_equal(json_member_string(told, "id"), id);
        if (kind)
                assert_string_equal(json_member_string(told, "kind"), kind);
        if (new_state)
                assert_string_equal(json_member_string(told, "newState"), new_state);
}

/* Whoever takes a snapshot meanwhile sees the new one, and learns that the older one is there
 * again. */
static void test_an_older_one_is_reported_again(void **state)
{
        _cleanup_free_ char *old = NULL, *new = NULL;
        int fd = daemon_connect(d), watch = daemon_connect(d);

        assert_launched(daemon_launch(d, "web", "", ",\"wait\":\"ready\""), "running");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        old = strdup(daemon_vm(d, "web")->id);
        daemon_send_launch(d, fd, "web", "", "");
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_ARTIFACTS));
        new = strdup(daemon_vm(d, "web")->id);
        daemon_send(watch, "Watch", "{\"snapshot\":true}", true);
        assert_told(watch, "cvm", new, NULL, NULL);
        json_object_put(daemon_receive(d, watch)); /* sequence */
        assert_true(daemon_is_at(d, LAUNCH_ARTIFACTS));
        vm_stop(daemon_vm(d, "web"), ENDING_STOPPED, true, 0);
        assert_error(daemon_receive(d, fd), "LaunchFailed");
        assert_told(watch, "event", new, "state", "failed");
        assert_told(watch, "event", new, "removed", NULL);
        assert_told(watch, "event", old, "state", "stopped");
        close(fd);
        close(watch);
}

/* Meanwhile it is found by its id, and may be removed. */
static void test_an_older_one_is_removed_meanwhile(void **state)
{
        _cleanup_free_ char *parameters = NULL;
        int fd = daemon_connect(d);

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_true(asprintf(&parameters, "{\"id\":\"%s\"}", daemon_vm(d, "web")->id) > 0);
        d->config->start_sec = 1;
        daemon_send_launch(d, fd, "web", "fake.no-qmp", "");
        test_loop_until(&d->test, daemon_is(d, "web", VM_PREPARING));
        assert_int_equal(d->manager->home.table.n_ids, 2);
        assert_cvm(daemon_call(d, "Status", parameters), "stopped", "stopped");
        json_object_put(daemon_call(d, "Remove", parameters));
        assert_error(daemon_receive(d, fd), "Timeout");
        assert_int_equal(d->manager->home.table.n_ids, 1);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        close(fd);
}

/* The same launch again, by the id of the one that failed. */
static void test_a_kept_failure_is_launched_again(void **state)
{
        _cleanup_free_ char *kernel = daemon_path(d, "kernel"), *away = daemon_path(d, "away");

        d->config->start_sec = 1;
        assert_error(daemon_launch(d, "web", "fake.no-qmp", BY_ID), "Timeout");
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        assert_error_says(daemon_launch(d, "web", "", BY_ID), "IdempotencyMismatch", "field",
                          "cmdline");
        assert_true(daemon_is(d, "web", VM_FAILED));
        /* with what the first launch left, until its files are read */
        assert_int_equal(rename(kernel, away), 0);
        assert_error(daemon_launch(d, "web", "fake.no-qmp", BY_ID), "InvalidSpec");
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        assert_non_null(strstr(daemon_vm(d, "web")->ending.detail, "timed out"));
        assert_int_equal(rename(away, kernel), 0);
        assert_error(daemon_launch(d, "web", "fake.no-qmp", BY_ID), "Timeout");
        assert_string_equal(daemon_vm(d, "web")->id, ID);
        test_loop_until(&d->test, daemon_count(d, "state/records") == 1);
        daemon_stop(d);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        assert_error_says(daemon_launch(d, "web", "", BY_ID), "IdempotencyMismatch", "field",
                          "cmdline");
        assert_error(daemon_launch(d, "web", "fake.no-qmp", BY_ID), "Timeout");
        assert_int_equal(d->manager->home.table.n_ids, 1);
        json_object_put(daemon_call(d, "Remove", NAME));
        assert_int_equal(daemon_count(d, "state/records"), 0);
}

/* One that comes to run has not failed any more; a daemon that ends during the launch loses
 * neither the id nor the reason. */
static void test_a_second_launch_succeeds(void **state)
{
        _cleanup_json_ json_object *status = NULL;
        int fd = daemon_connect(d);

        daemon_send_launch(d, fd, "web", "", BY_ID);
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_CREATED));
        close(fd);
        test_loop_until(&d->test, daemon_is(d, "web", VM_FAILED));
        fd = daemon_connect(d);
        daemon_send_launch(d, fd, "web", "", BY_ID);
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_ARTIFACTS));
        parts_close(&d->parts);
        daemon_stop(d);
        close(fd);
        daemon_start(d);
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        assert_non_null(strstr(daemon_vm(d, "web")->ending.detail, "disconnected"));
        assert_launched(daemon_launch(d, "web", "", BY_ID), "running");
        assert_launched(daemon_launch(d, "web", "", BY_ID), "running");
        status = daemon_call(d, "Status", NAME);
        assert_null(json_member(json_member(json_member(status, "parameters"), "cvm"), "ending"));
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_launched(daemon_launch(d, "web", "", BY_ID), "stopped"); /* not a failure */
        json_object_put(daemon_call(d, "Remove", NAME));
}

static void test_remove_by_the_spec(void **state)
{
        static const char failed[] = ",\"remove\":\"failed-launch\"",
                          ended[] = ",\"remove\":\"ended\"";

        assert_error(launch_with("fake.exit=1", failed, ""), "LaunchFailed");
        assert_null(daemon_vm(d, "web"));
        assert_error(launch_with("fake.exit=1", ended, ""), "LaunchFailed");
        assert_null(daemon_vm(d, "web"));
        assert_launched(launch_with("", failed, ""), "running");
        stop_and_remove();
        assert_launched(launch_with("", ended, ""), "running");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        test_loop_until(&d->test, !daemon_vm(d, "web"));
        assert_int_equal(daemon_count(d, "state/records"), 0);
        assert_launched(launch_with("fake.poweroff-ms=1", ended, ""), "running");
        test_loop_until(&d->test, !daemon_vm(d, "web"));
        /* it ends while no daemon is there */
        assert_launched(launch_with("", ended, ""), "running");
        {
                const Vm *vm = daemon_vm(d, "web");
                pid_t pid = vm->ops->pid(vm->process.driver);

                daemon_stop(d);
                assert_int_equal(kill(pid, SIGKILL), 0);
                assert_int_equal(waitpid(pid, NULL, 0), pid);
        }
        daemon_start(d);
        test_loop_until(&d->test, !daemon_vm(d, "web"));
        assert_int_equal(daemon_count(d, "state/records"), 0);
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 0);
        assert_error_says(launch_with("", ",\"remove\":\"later\"", ""), "InvalidSpec", "field",
                          "remove");
}

static void end_one(size_t number, const char *behaviour)
{
        char name[16], parameters[32];

        snprintf(name, sizeof(name), "n%zu", number);
        snprintf(parameters, sizeof(parameters), "{\"name\":\"%s\"}", name);
        assert_launched(daemon_launch(d, name, behaviour, ",\"wait\":\"ready\""), "running");
        assert_cvm(daemon_call(d, "Stop", parameters), "stopped", "stopped");
}

static void test_so_many_stay(void **state)
{
        d->config->ended_per_uid_max = 3;
        for (size_t i = 0; i < 5; i++)
                end_one(i, "");
        test_loop_until(&d->test, !daemon_vm(d, "n1"));
        assert_null(daemon_vm(d, "n0"));
        for (size_t i = 2; i < 5; i++) {
                char name[] = {'n', (char)('0' + i), 0};

                assert_non_null(daemon_vm(d, name));
        }
        assert_int_equal(daemon_count(d, "state/records"), 3);
        d->config->ended_per_uid_max = 1;
        daemon_stop(d);
        daemon_start(d);
        test_loop_until(&d->test, daemon_count(d, "state/records") == 1);
        assert_non_null(daemon_vm(d, "n4"));
}

/* What the logs have is counted once for each that has ended, also where it is nothing. */
static void test_logs_are_counted_once(void **state)
{
        _cleanup_free_ char *path = NULL, *relative = NULL;
        int fd;

        end_one(0, "");
        test_loop_until(&d->test, daemon_vm(d, "n0")->logs_are_counted);
        assert_true(asprintf(&relative, "state/consoles/%s.log", daemon_vm(d, "n0")->id) > 0);
        path = daemon_path(d, relative);
        assert_int_equal(unlink(path), 0);
        daemon_vm(d, "n0")->logs_are_counted = false;
        assert_int_equal(vm_logs_count(daemon_vm(d, "n0")), 0);
        fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        assert_int_equal(write(fd, "late", 4), 4);
        close(fd);
        assert_int_equal(vm_logs_count(daemon_vm(d, "n0")), 0);
}

/* The newest stays, however much it has written. */
static void test_so_many_bytes_of_logs_stay(void **state)
{
        struct stat st;
        _cleanup_free_ char *path = NULL, *relative = NULL;

        end_one(0, "fake.console-bytes=20000");
        assert_true(asprintf(&relative, "state/consoles/%s.log", daemon_vm(d, "n0")->id) > 0);
        path = daemon_path(d, relative);
        test_loop_until(&d->test, stat(path, &st) == 0 && st.st_size >= 20000);
        d->config->ended_log_bytes_per_uid_max = (uint64_t)st.st_size * 5 / 2;
        for (size_t i = 1; i < 4; i++)
                end_one(i, "fake.console-bytes=20000");
        test_loop_until(&d->test, !daemon_vm(d, "n1"));
        assert_null(daemon_vm(d, "n0"));
        assert_non_null(daemon_vm(d, "n2"));
        d->config->ended_log_bytes_per_uid_max = 10;
        end_one(4, "fake.console-bytes=20000");
        test_loop_until(&d->test, !daemon_vm(d, "n3"));
        assert_int_equal(d->manager->home.table.n, 1);
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 1);
}

/* What has ended is not counted to anybody's quota. */
static void test_ended_ones_are_no_live_ones(void **state)
{
        d->config->cvms_max = 2;
        for (size_t i = 0; i < 4; i++)
                end_one(i, "");
        assert_launched(daemon_launch(d, "a", "", ""), "running");
        assert_launched(daemon_launch(d, "b", "", ""), "running");
        assert_error(daemon_launch(d, "c", "", ""), "QuotaExceeded");
        assert_cvm(daemon_call(d, "Stop", "{\"name\":\"a\"}"), "stopped", "stopped");
        assert_cvm(daemon_call(d, "Stop", "{\"name\":\"b\"}"), "stopped", "stopped");
}

/* A Stop at each step at which the loop can get a call in between. */
static void test_stop_at_each_step(void **state)
{
        static const char *const calls[] = {"", ",\"wait\":\"ready\""};
        bool seen[_LAUNCH_STEP_MAX] = {};

        for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
                for (LaunchStepId step = LAUNCH_ARTIFACTS; step < _LAUNCH_STEP_MAX; step++) {
                        int fd = daemon_connect(d);
                        json_object *reply;

                        daemon_send_launch(d, fd, "web", "fake.no-ready", calls[i]);
                        test_loop_until(&d->test, LIST_FIRST(&d->manager->launches));
                        while (LIST_FIRST(&d->manager->launches) && !daemon_is_at(d, step) &&
                               !daemon_is_at(d, LAUNCH_READY))
                                test_loop_turn(&d->test);
                        if (!daemon_is_at(d, step)) {
                                assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
                                json_object_put(daemon_receive(d, fd));
                                close(fd);
                                continue;
                        }
                        seen[step] = true;
                        vm_stop(daemon_vm(d, "web"), ENDING_STOPPED, true, 0);
                        reply = daemon_receive(d, fd);
                        close(fd);
                        if (step < LAUNCH_ANSWERED)
                                assert_error_says(reply, "LaunchFailed", "reason", "stopped");
                        else
                                json_object_put(reply);
                        if (step < LAUNCH_CREATED) {
                                Vm *vm = daemon_vm(d, "web"); /* an older one, if any */

                                assert_true(!vm || !vm_state_is_live(vm->state));
                                continue;
                        }
                        test_loop_until(&d->test,
                                        daemon_vm(d, "web") &&
                                                !vm_state_is_live(daemon_vm(d, "web")->state));
                        assert_cvm(daemon_call(d, "Status", NAME),
                                   step < LAUNCH_RUNNING ? "failed" : "stopped",
                                   step < LAUNCH_RUNNING ? "launch-failed" : NULL);
                }
        assert_true(seen[LAUNCH_ARTIFACTS] && seen[LAUNCH_CREATED] && seen[LAUNCH_RESUMED] &&
                    seen[LAUNCH_READY]);
}

/* While a CVM stops it cannot be removed, and who waits for its end hears of it. */
static void test_remove_during_stop(void **state)
{
        int stop = daemon_connect(d), wait = daemon_connect(d), last = daemon_connect(d);

        d->config->powerdown_sec = 3600;
        assert_launched(daemon_launch(d, "web", "fake.ignore-powerdown", ""), "running");
        daemon_send(stop, "Stop", NAME, false);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPING));
        daemon_send(wait, "Wait", NAME, false);
        assert_error_says(daemon_call(d, "Remove", NAME), "WrongState", "state", "stopping");
        assert_true(daemon_is(d, "web", VM_STOPPING));
        daemon_send(last, "Stop", "{\"name\":\"web\",\"force\":true}", false);
        assert_cvm(daemon_receive(d, last), "stopped", "stopped");
        /* removed before the others' replies are on their way: they say how it ended */
        json_object_put(daemon_call(d, "Remove", NAME));
        assert_cvm(daemon_receive(d, stop), "stopped", "stopped");
        assert_cvm(daemon_receive(d, wait), "stopped", "stopped");
        assert_int_equal(daemon_count(d, "state/records"), 0);
        close(stop);
        close(wait);
        close(last);
}

/* Of two clients that launch one name at the same time one has it. */
static void test_two_launch_one_name(void **state)
{
        for (int older = 0; older < 2; older++) {
                int fds[2];
                size_t launched = 0;

                for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                        fds[i] = daemon_connect(d);
                        daemon_send_launch(d, fds[i], "web", "", "");
                }
                for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                        _cleanup_json_ json_object *reply = daemon_receive(d, fds[i]);
                        const char *error = json_member_string(reply, "error");

                        launched += !error;
                        if (error)
                                assert_string_equal(error, "io.cvmd.Manager.CvmExists");
                        close(fds[i]);
                }
                assert_int_equal(launched, 1);
                assert_true(daemon_is(d, "web", VM_RUNNING));
                assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
                assert_int_equal(d->manager->home.table.n_ids, 1);
        }
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                daemon_test(test_an_older_one_stays_until_all_is_read),
                daemon_test(test_an_older_one_is_reported_again),
                daemon_test(test_an_older_one_is_removed_meanwhile),
                daemon_test(test_a_kept_failure_is_launched_again),
                daemon_test(test_a_second_launch_succeeds),
                daemon_test(test_remove_by_the_spec),
                daemon_test(test_so_many_stay),
                daemon_test(test_logs_are_counted_once),
                daemon_test(test_so_many_bytes_of_logs_stay),
                daemon_test(test_ended_ones_are_no_live_ones),
                daemon_test(test_stop_at_each_step),
                daemon_test(test_remove_during_stop),
                daemon_test(test_two_launch_one_name),
        };

        daemon_fake_qemu = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
