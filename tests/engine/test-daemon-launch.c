/* SPDX-License-Identifier: Apache-2.0 */
/* Launches that do not come to a good end, and what they leave: nothing, or once QEMU has started
 * the CVM as failed. Usage: test-daemon-launch FAKE-QEMU */
#include "../unit/test.h"

#include <arpa/inet.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>

#include "../unit/mounts.h"
#include "base/file.h"
#include "base/json.h"
#include "daemon.h"
#include "launch/admission.h"
#include "launch/launch.h"

#define NAME "{\"name\":\"web\"}"
#define ALICE 4242 /* uids, where the test is root */
#define MALLORY 4243

static Daemon *const d = &daemon_of_test;

static void assert_nothing_is_left(void)
{
        test_loop_until(&d->test, !daemon_vm(d, "web"));
        assert_int_equal(daemon_count(d, "state/records"), 0);
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 0);
        assert_int_equal(daemon_count(d, "run/vms"), 0);
        assert_int_equal(daemon_count(d, "run/shares"), 0);
}

/* The detail of its ending has this part. */
static void assert_failure_is_kept(const char *part)
{
        test_loop_until(&d->test, daemon_is(d, "web", VM_FAILED));
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "launch-failed");
        if (!strstr(daemon_vm(d, "web")->ending.detail, part))
                fail_msg("'%s' is not in '%s'", part, daemon_vm(d, "web")->ending.detail);
        /* the version before is kept until the last one is on the disk */
        test_loop_until(&d->test, daemon_count(d, "state/records") == 1);
        assert_int_equal(daemon_count(d, "run/vms"), 0);
        assert_int_equal(daemon_count(d, "run/shares"), 0);
        json_object_put(daemon_call(d, "Remove", NAME));
        assert_nothing_is_left();
}

static void test_qemu_does_not_start(void **state)
{
        assert_error_says(daemon_launch(d, "web", "fake.exit=3 fake.stderr=out-of-luck", ""),
                          "LaunchFailed", "log", "out-of-luck");
        assert_failure_is_kept("out-of-luck");
        assert_error_says(daemon_launch(d, "web", "fake.qmp-garbage", ""), "LaunchFailed", "log",
                          "QMP: ");
        assert_failure_is_kept("QMP: ");
}

static void test_qemu_does_not_answer(void **state)
{
        d->config->start_sec = 1;
        assert_error_says(daemon_launch(d, "web", "fake.qmp-silent", ""), "Timeout", "stage",
                          "starting");
        assert_failure_is_kept("timed out");
        assert_error_says(daemon_launch(d, "web", "fake.no-qmp", ""), "Timeout", "stage",
                          "starting");
        assert_failure_is_kept("timed out");
        d->config->start_sec = 20;
        assert_error_says(daemon_launch(d, "web", "fake.no-qmp", ",\"timeoutSec\":1"), "Timeout",
                          "stage", "starting");
        assert_failure_is_kept("timed out");
}

static void test_guest_is_not_ready_in_time(void **state)
{
        assert_error_says(
                daemon_launch(d, "web", "fake.no-ready", ",\"wait\":\"ready\",\"timeoutSec\":1"),
                "Timeout", "stage", "ready");
        assert_failure_is_kept("timed out");
}

/* New launches with this result, and failures of the step ready, are counted so often. */
static void assert_counted(MetricsLaunch result, uint64_t launches, uint64_t failures)
{
        const Metrics *metrics = &d->manager->home.metrics;

        assert_int_equal(metrics->launches[false][METRICS_LAUNCH_SUCCEEDED], 0);
        assert_int_equal(metrics->launches[false][result], launches);
        assert_int_equal(metrics->launch_failures[LAUNCH_READY], failures);
}

/* A launch of web with this member `remove`, which waits for READY. */
static void send_waiting(int fd, const char *behaviour, const char *remove)
{
        _cleanup_free_ char *members = NULL, *spec = NULL, *parameters = NULL;

        assert_true(asprintf(&members, ",\"remove\":\"%s\"", remove) > 0);
        spec = daemon_spec(d, "web", behaviour, members);
        assert_true(asprintf(&parameters, "{\"spec\":%s,\"wait\":\"ready\"}", spec) > 0);
        daemon_send(fd, "Launch", parameters, false);
}

/* The launch has failed, or is cancelled by a Stop; the CVM is left as it ended, or goes if its
 * spec says so. */
static void test_guest_ends_before_it_is_ready(void **state)
{
        static const char behaviour[] = "fake.no-ready fake.poweroff-ms=20";
        int fd = daemon_connect(d);

        send_waiting(fd, behaviour, "never");
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "reason", "power-off");
        assert_true(daemon_is(d, "web", VM_STOPPED));
        assert_counted(METRICS_LAUNCH_FAILED, 1, 1);
        test_loop_turn(&d->test); /* in which ended_trim() would remove it */
        assert_true(daemon_is(d, "web", VM_STOPPED));
        send_waiting(fd, behaviour, "failed-launch");
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "stage", "ready");
        assert_nothing_is_left();
        assert_counted(METRICS_LAUNCH_FAILED, 2, 2);

        send_waiting(fd, "fake.no-ready", "failed-launch");
        test_loop_until(&d->test, daemon_is_at(d, LAUNCH_READY));
        vm_stop(daemon_vm(d, "web"), ENDING_STOPPED, true, 0);
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "reason", "stopped");
        assert_nothing_is_left();
        assert_counted(METRICS_LAUNCH_CANCELLED, 1, 2);
        close(fd);
}

/* The daemon is gone before the turn in which it would have removed the CVM: the next one does. */
static void test_a_failed_launch_is_on_record(void **state)
{
        static const struct {
                const char *remove;
                bool goes;
        } cases[] = {{"failed-launch", true}, {"never", false}};

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                int fd = daemon_connect(d);

                send_waiting(fd, "fake.no-ready fake.poweroff-ms=20", cases[i].remove);
                test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPED));
                parts_close(&d->parts);
                daemon_stop(d);
                close(fd);
                daemon_start(d);
                test_loop_turn(&d->test);
                assert_int_equal(!daemon_vm(d, "web"), cases[i].goes);
        }
}

/* Begins a launch and turns the loop until the expression is true of its CVM. */
#define launch_until(fd, behaviour, extra, expression)                                             \
        do {                                                                                       \
                daemon_send_launch(d, fd, "web", behaviour, extra);                                \
                test_loop_until(&d->test, daemon_vm(d, "web") && (expression));                    \
        } while (0)

static void test_the_caller_goes(void **state)
{
        int fd = daemon_connect(d);

        launch_until(fd, "", "", daemon_vm(d, "web")->state == VM_PREPARING);
        close(fd);
        assert_nothing_is_left();

        fd = daemon_connect(d);
        launch_until(fd, "fake.qmp-silent", "", daemon_is_at(d, LAUNCH_CREATED));
        close(fd);
        assert_failure_is_kept("the caller disconnected");

        fd = daemon_connect(d);
        launch_until(fd, "fake.no-ready", ",\"wait\":\"ready\"",
                     daemon_vm(d, "web")->state == VM_RUNNING);
        close(fd);
        assert_failure_is_kept("the caller disconnected");
}

static void check_stopped_launch(const char *behaviour, const char *extra, LaunchStepId step)
{
        int fd = daemon_connect(d);

        launch_until(fd, behaviour, extra, daemon_is_at(d, step));
        daemon_hold_turns(d, daemon_vm(d, "web")->account);
        assert_cvm(daemon_call(d, "Stop", NAME), "failed", "launch-failed");
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "reason", "stopped");
        /* secrets go before the end is told, without a worker */
        assert_int_equal(daemon_count(d, "run/shares"), 0);
        daemon_let_turns_go(d);
        close(fd);
}

static void test_stop_during_launch(void **state)
{
        int fd;

        check_stopped_launch("", "", LAUNCH_ARTIFACTS);
        assert_nothing_is_left();
        check_stopped_launch("fake.qmp-silent", "", LAUNCH_CREATED);
        assert_failure_is_kept("was stopped before it ran");

        fd = daemon_connect(d);
        launch_until(fd, "fake.no-ready", ",\"wait\":\"ready\"",
                     daemon_vm(d, "web")->state == VM_RUNNING);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "reason", "stopped");
        close(fd);
}

/* While the launch's time is out and QEMU is on its way down, a Stop comes. */
static void test_stop_of_a_failed_launch(void **state)
{
        int fd = daemon_connect(d), stop = daemon_connect(d);

        launch_until(fd, "fake.no-ready", ",\"wait\":\"ready\"",
                     daemon_vm(d, "web")->state == VM_RUNNING);
        launches_cancel(d->manager, "for the test");
        daemon_send(stop, "Stop", NAME, false);
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "reason", "for the test");
        assert_cvm(daemon_receive(d, stop), "failed", "launch-failed");
        close(fd);
        close(stop);
        assert_failure_is_kept("for the test");
}

static void test_same_name_and_same_id(void **state)
{
        static const char id[] = ",\"id\":\"01234567-89ab-4def-8123-456789abcdef\"";
        _cleanup_free_ char *old = NULL;
        int fd = daemon_connect(d);

        launch_until(fd, "fake.qmp-silent", "", daemon_is_at(d, LAUNCH_CREATED));
        assert_error(daemon_launch(d, "web", "", ""), "CvmExists");
        close(fd);
        assert_failure_is_kept("disconnected");

        assert_launched(daemon_launch(d, "web", "", id), "running");
        assert_launched(daemon_launch(d, "web", "", id), "running"); /* the same again */
        assert_error(daemon_launch(d, "other", "", id), "IdempotencyMismatch");
        assert_null(daemon_vm(d, "other"));
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_launched(daemon_launch(d, "web", "", id), "stopped"); /* an id stays known */
        /* one that has ended gives its name, with all that was its */
        old = strdup(daemon_vm(d, "web")->id);
        assert_launched(daemon_launch(d, "web", "", ""), "running");
        assert_string_not_equal(daemon_vm(d, "web")->id, old);
        /* READY may be on its way to the disk still */
        test_loop_until(&d->test, daemon_count(d, "state/records") == 1);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
}

/* Logs that somebody else's CVM of that id left are not its logs. */
static void test_a_chosen_id_begins_without_logs(void **state)
{
        _cleanup_free_ char *path =
                daemon_path(d, "state/consoles/01234567-89ab-4def-8123-456789abcdef.log");
        _cleanup_json_ json_object *reply = NULL;
        int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

        assert_int_equal(write(fd, "old\n", 4), 4);
        close(fd);
        assert_launched(daemon_launch(d, "web", "fake.no-ready",
                                      ",\"paused\":true,"
                                      "\"id\":\"01234567-89ab-4def-8123-456789abcdef\""),
                        "paused");
        reply = daemon_call(d, "Logs", NAME);
        assert_string_equal(json_member_string(json_member(reply, "parameters"), "data"), "");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
}

/* Listens on the port that the CVM's launch only holds. */
static int steal_port(uint16_t port)
{
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(fd, 1), 0);
        return fd;
}

static void test_a_lost_port_is_replaced(void **state)
{
        int fd = daemon_connect(d), thief;
        uint16_t port;

        launch_until(fd, "", "", daemon_vm(d, "web")->state == VM_PREPARING);
        port = daemon_vm(d, "web")->reserved.forwards[0].host_port;
        thief = steal_port(port);
        assert_launched(daemon_receive(d, fd), "running");
        assert_int_not_equal(daemon_vm(d, "web")->reserved.forwards[0].host_port, port);
        close(thief);
        close(fd);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
}

/* The record of the CVM says that a launch which fails leaves it. */
static void assert_kept_is_on_record(const Vm *vm)
{
        _cleanup_free_ char *relative = NULL, *path = NULL, *text = NULL;
        _cleanup_json_ json_object *record = NULL;
        size_t size;

        assert_true(asprintf(&relative, "state/records/%s.json", vm->id) > 0);
        path = daemon_path(d, relative);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &text, &size), 0);
        assert_int_equal(json_parse(text, size, &record, NULL), 0);
        assert_true(json_member_bool(record, "kept", false));
}

/* The older CVM went when QEMU was let run for the first time: whatever ends the second try, with
 * another port, leaves the new one. */
static void test_the_second_try_fails(void **state)
{
        for (int goes = 0; goes < 2; goes++) {
                int fd = daemon_connect(d), thief;

                assert_launched(daemon_launch(d, "web", "", ""), "running");
                assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
                launch_until(fd, "", "", daemon_vm(d, "web")->state == VM_PREPARING);
                thief = steal_port(daemon_vm(d, "web")->reserved.forwards[0].host_port);
                test_loop_until(&d->test, LIST_FIRST(&d->manager->launches)->tries == 1);
                assert_true(daemon_is_at(d, LAUNCH_RECORDED));
                assert_int_equal(d->manager->home.table.n_ids, 1);
                assert_kept_is_on_record(daemon_vm(d, "web"));
                if (goes) {
                        parts_close(&d->parts); /* without a word */
                        daemon_stop(d);
                        daemon_start(d);
                        assert_failure_is_kept("the daemon ended during the launch");
                        while (waitpid(-1, NULL, 0) > 0) /* that daemon's child */
                                ;
                } else {
                        vm_stop(daemon_vm(d, "web"), ENDING_STOPPED, true, 0);
                        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "reason",
                                          "stopped");
                        assert_failure_is_kept("was stopped before it ran");
                }
                close(thief);
                close(fd);
        }
}

/* Driver libvirt gives the CID up with the ports, as libvirt takes both by itself: the second try
 * has the port to notify by all the same. */
static void test_the_second_try_notifies(void **state)
{
        Vm *vm;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        vm = daemon_vm(d, "web");
        d->manager->notify_port = 4321;
        vm->reserved.vsock_cid = 77;
        for (int tries = 0; tries < 2; tries++) {
                _cleanup_(allotment_done) Allotment allotment = {};

                if (tries == 0)
                        vm_reserved_hold_cid(&vm->reserved, open("/dev/null", O_RDWR | O_CLOEXEC));
                vm_reserved_drop_holds(&vm->reserved);
                assert_int_equal(vm->reserved.vsock_fd, -1);
                admission_allot(d->manager, vm, template_set_find(d->manager->templates, "plain"),
                                &(CvmSpec){}, &allotment);
                assert_int_equal(allotment.notify_port, 4321);
        }
        vm_reserved_hold_cid(&vm->reserved, -1); /* a host without vhost-vsock */
        {
                _cleanup_(allotment_done) Allotment allotment = {};

                admission_allot(d->manager, vm, template_set_find(d->manager->templates, "plain"),
                                &(CvmSpec){}, &allotment);
                assert_int_equal(allotment.notify_port, 0);
        }
        d->manager->notify_port = 0;
        vm->reserved.vsock_cid = 0;
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
}

static void test_a_lost_port_that_was_named(void **state)
{
        _cleanup_free_ char *extra = NULL, *spec = NULL, *parameters = NULL;
        int fd = daemon_connect(d), thief;

        assert_true(asprintf(&extra, ",\"forwards\":[{\"hostPort\":%u,\"guestPort\":1}]",
                             d->first_port) > 0);
        spec = daemon_spec(d, "web", "", extra);
        assert_true(asprintf(&parameters, "{\"spec\":%s}", spec) > 0);
        daemon_send(fd, "Launch", parameters, false);
        test_loop_until(&d->test, daemon_vm(d, "web"));
        thief = steal_port(d->first_port);
        assert_error_says(daemon_receive(d, fd), "LaunchFailed", "log", "host forwarding rule");
        close(thief);
        assert_failure_is_kept("host forwarding rule");

        /* and one that another CVM has */
        daemon_send(fd, "Launch", parameters, false);
        assert_launched(daemon_receive(d, fd), "running");
        free(spec);
        free(parameters);
        spec = daemon_spec(d, "two", "", extra);
        assert_true(asprintf(&parameters, "{\"spec\":%s}", spec) > 0);
        assert_error_says(daemon_call(d, "Launch", parameters), "NoResources", "resource", "port");
        close(fd);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
}

static void test_records_cannot_be_written(void **state)
{
        _cleanup_free_ char *records = daemon_path(d, "state/records");
        _cleanup_free_ char *fill = daemon_path(d, "state/records/fill");
        _cleanup_json_ json_object *event = NULL;
        char block[4096] = {};
        int fd;

        daemon_stop(d);
        if (!mount_privately("tmpfs", records, "size=16k,mode=0700")) {
                print_message("needs root: mounts a tiny file system\n");
                skip();
        }
        daemon_start(d);
        fd = open(fill, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
        while (write(fd, block, sizeof(block)) > 0)
                ;
        close(fd);
        assert_error(daemon_launch(d, "web", "", ""), "SystemError");
        assert_null(daemon_vm(d, "web"));
        assert_int_equal(unlink(fill), 0);
        assert_launched(daemon_launch(d, "web", "", ""), "running");
        /* a CVM that runs goes on without, and ends as it should */
        assert_int_equal(mount("tmpfs", records, "tmpfs", MS_REMOUNT | MS_RDONLY, NULL), 0);
        assert_error(daemon_launch(d, "other", "", ""), "SystemError");
        assert_cvm(daemon_call(d, "Pause", NAME), "paused", NULL);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        /* it is there again, which is reported, if the one to replace it cannot be written */
        fd = daemon_connect(d);
        daemon_send(fd, "Watch", "{\"snapshot\":true,\"state\":\"stopped\"}", true);
        json_object_put(daemon_receive(d, fd)); /* the CVM */
        json_object_put(daemon_receive(d, fd)); /* sequence */
        assert_error(daemon_launch(d, "web", "", ""), "SystemError");
        assert_cvm(daemon_call(d, "Status", NAME), "stopped", "stopped");
        event = daemon_receive(d, fd);
        assert_string_equal(
                json_member_string(json_member(json_member(event, "parameters"), "event"), "id"),
                daemon_vm(d, "web")->id);
        close(fd);
        daemon_stop(d);
        assert_int_equal(umount2(records, MNT_DETACH), 0);
}

/* The daemon's end with a launch at this step: nothing waits for ever, and the next daemon keeps
 * what QEMU was started for. */
static void check_down(const char *behaviour, LaunchStepId step)
{
        int fd = daemon_connect(d);

        launch_until(fd, behaviour, "", daemon_is_at(d, step));
        daemon_stop(d);
        close(fd);
        test_loop_finish(&d->test);
        test_loop_init(&d->test);
        daemon_start(d);
        if (step < LAUNCH_CREATED)
                assert_nothing_is_left();
        else
                assert_failure_is_kept("the daemon ended during the launch");
        /* the CVM's process, that the daemon which is gone did not wait for */
        while (waitpid(-1, NULL, 0) > 0)
                ;
}

static void test_down_during_launch(void **state)
{
        check_down("", LAUNCH_ARTIFACTS);
        check_down("fake.qmp-silent", LAUNCH_CREATED);
}

/* A connection of this user. Only this thread changes: libc's seteuid() would change the daemon's
 * workers, too. */
static int connect_as(uid_t uid)
{
        int fd;

        assert_int_equal(syscall(SYS_setresuid, -1, uid, -1), 0);
        fd = daemon_connect(d);
        assert_int_equal(syscall(SYS_setresuid, -1, 0, -1), 0);
        return fd;
}

static json_object *call_as(uid_t uid, const char *method, const char *parameters)
{
        _cleanup_close_ int fd = connect_as(uid);

        daemon_send(fd, method, parameters, false);
        return daemon_receive(d, fd);
}

/* The array that the reply holds has so many members. */
static void assert_holds(json_object *reply, const char *array, size_t n)
{
        _cleanup_json_ json_object *held = reply;
        json_object *found = json_member(json_member(reply, "parameters"), array);

        if (!found || json_object_array_length(found) != n)
                fail_msg("not %zu %s: %s", n, array, json_text(reply));
}

static void allow(const char *name)
{
        _cleanup_free_ char *path = daemon_path(d, name);

        assert_int_equal(chmod(path, 0755), 0);
}

/* Another user's CVM is not there, whatever is asked. */
static void test_other_users_see_nothing(void **state)
{
        static const char *const methods[] = {"Status", "Stop",   "Pause",
                                              "Resume", "Remove", "Logs"};
        _cleanup_free_ char *extra = NULL, *spec = NULL, *parameters = NULL, *other = NULL,
                            *other_parameters = NULL;
        json_object *first;
        int watch;

        if (geteuid() != 0) {
                print_message("needs root: has clients of other users\n");
                skip();
        }
        allow("");
        allow("kernel");
        allow("initramfs");
        watch = connect_as(MALLORY);
        daemon_send(watch, "Watch", NULL, true);
        assert_true(asprintf(&extra, ",\"forwards\":[{\"hostPort\":%u,\"guestPort\":1}]",
                             d->first_port) > 0);
        spec = daemon_spec(d, "web", "fake.console-bytes=10", extra);
        assert_true(asprintf(&parameters, "{\"spec\":%s}", spec) > 0);
        assert_launched(call_as(ALICE, "Launch", parameters), "running");

        for (size_t i = 0; i < ARRAY_SIZE(methods); i++)
                assert_error(call_as(MALLORY, methods[i], NAME), "NoSuchCvm");
        assert_holds(call_as(MALLORY, "List", NULL), "cvms", 0);
        assert_holds(call_as(MALLORY, "ListArtifacts", NULL), "artifacts", 0);
        assert_error(call_as(MALLORY, "Launch", parameters), "CvmExists");
        other = daemon_spec(d, "other", "", extra);
        assert_true(asprintf(&other_parameters, "{\"spec\":%s}", other) > 0);
        assert_holds(call_as(MALLORY, "Launch", other_parameters), "holders", 0);

        assert_holds(call_as(ALICE, "List", NULL), "cvms", 1);
        assert_holds(call_as(ALICE, "ListArtifacts", NULL), "artifacts", 2);
        assert_holds(call_as(0, "ListArtifacts", NULL), "artifacts", 2);
        assert_holds(call_as(ALICE, "Launch", other_parameters), "holders", 1);
        assert_cvm(call_as(ALICE, "Stop", NAME), "stopped", "stopped");
        assert_error(call_as(MALLORY, "Remove", NAME), "NoSuchCvm");
        /* nor did any event come */
        assert_launched(call_as(ALICE, "Launch", parameters), "running");
        assert_cvm(call_as(ALICE, "Stop", NAME), "stopped", "stopped");
        assert_int_equal(recv(watch, &(char){0}, 1, MSG_DONTWAIT), -1);
        close(watch);

        /* the numbers of what she may not see are gaps, no more */
        watch = connect_as(ALICE);
        daemon_send(watch, "Watch", "{\"fromSequence\":1}", true);
        first = daemon_receive(d, watch);
        assert_non_null(json_member(json_member(first, "parameters"), "event"));
        json_object_put(first);
        close(watch);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                daemon_test(test_qemu_does_not_start),
                daemon_test(test_qemu_does_not_answer),
                daemon_test(test_guest_is_not_ready_in_time),
                daemon_test(test_guest_ends_before_it_is_ready),
                daemon_test(test_a_failed_launch_is_on_record),
                daemon_test(test_the_caller_goes),
                daemon_test(test_stop_during_launch),
                daemon_test(test_stop_of_a_failed_launch),
                daemon_test(test_same_name_and_same_id),
                daemon_test(test_a_chosen_id_begins_without_logs),
                daemon_test(test_a_lost_port_is_replaced),
                daemon_test(test_the_second_try_fails),
                daemon_test(test_the_second_try_notifies),
                daemon_test(test_a_lost_port_that_was_named),
                daemon_test(test_records_cannot_be_written),
                daemon_test(test_down_during_launch),
                daemon_test(test_other_users_see_nothing),
        };

        daemon_fake_qemu = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
