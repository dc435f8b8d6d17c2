/* SPDX-License-Identifier: Apache-2.0 */
/* The life of a CVM that runs, and every way it can end. Usage: test-daemon-life FAKE-QEMU */
#include "../unit/test.h"

#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>

#include "api/vsock.h"
#include "base/json.h"
#include "daemon.h"

static Daemon *const d = &daemon_of_test;

#define NAME "{\"name\":\"web\"}"
#define CID 77

static void test_whole_life(void **state)
{
        assert_launched(daemon_launch(d, "web", "", ",\"wait\":\"ready\""), "running");
        assert_true(daemon_vm(d, "web")->guest.ready);
        assert_cvm(daemon_call(d, "Pause", NAME), "paused", NULL);
        assert_error(daemon_call(d, "Pause", NAME), "WrongState");
        assert_cvm(daemon_call(d, "Resume", NAME), "running", NULL);
        assert_error(daemon_call(d, "Resume", NAME), "WrongState");
        assert_error(daemon_call(d, "Remove", NAME), "WrongState");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_int_equal(daemon_count(d, "run/vms"), 0);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_error(daemon_call(d, "Pause", NAME), "WrongState");
        json_object_put(daemon_call(d, "Remove", NAME));
        assert_error(daemon_call(d, "Status", NAME), "NoSuchCvm");
        assert_int_equal(daemon_count(d, "state/records"), 0);
        test_loop_until(&d->test, daemon_count(d, "state/consoles") == 0);
}

/* When the end is told, the secrets are gone: no worker is needed for that. */
static void test_secrets_go_before_the_end(void **state)
{
        assert_launched(daemon_launch(d, "web", "", ""), "running");
        assert_int_equal(daemon_count(d, "run/shares"), 1);
        daemon_hold_turns(d, daemon_vm(d, "web")->account);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_int_equal(daemon_count(d, "run/shares"), 0);
        daemon_let_turns_go(d);
}

static void test_paused_from_the_start(void **state)
{
        assert_launched(daemon_launch(d, "web", "", ",\"paused\":true"), "paused");
        assert_false(daemon_vm(d, "web")->guest.ready);
        assert_cvm(daemon_call(d, "Resume", NAME), "running", NULL);
        test_loop_until(&d->test, daemon_vm(d, "web")->guest.ready);
        assert_cvm(daemon_call(d, "Pause", NAME), "paused", NULL);
        /* a guest that is held cannot heed the power button */
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
}

/* Launches, waits for the end, looks at it. */
static void check_end(const char *behaviour, const char *state, const char *reason)
{
        assert_launched(daemon_launch(d, "web", behaviour, ""), "running");
        test_loop_until(&d->test, !vm_state_is_live(daemon_vm(d, "web")->state));
        assert_cvm(daemon_call(d, "Status", NAME), state, reason);
        assert_int_equal(daemon_count(d, "run/vms"), 0);
        assert_int_equal(daemon_count(d, "run/shares"), 0);
}

static void test_the_guest_ends(void **state)
{
        check_end("fake.poweroff-ms=10", "stopped", "power-off");
        check_end("fake.reset-ms=10", "stopped", "guest-reset");
        check_end("fake.panic-ms=10", "failed", "guest-panic");
}

static void test_qemu_ends(void **state)
{
        check_end("fake.die-ms=10", "failed", "qemu-signal");
        check_end("fake.exit-ms=10 fake.stderr=out-of-luck", "failed", "qemu-exit");
        assert_non_null(strstr(daemon_vm(d, "web")->ending.detail, "out-of-luck"));
        assert_int_equal(daemon_vm(d, "web")->ending.exit_code, 1);
        check_end("fake.qmp-flood fake.exit-ms=300", "failed", "qemu-exit");
}

static void test_qemu_is_killed_from_outside(void **state)
{
        pid_t pid;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        pid = d->manager->home.table.vms[0]->ops->pid(
                d->manager->home.table.vms[0]->process.driver);
        assert_int_equal(kill(pid, SIGKILL), 0);
        test_loop_until(&d->test, daemon_is(d, "web", VM_FAILED));
        assert_cvm(daemon_call(d, "Status", NAME), "failed", "qemu-signal");
}

static void test_stop_by_all_means(void **state)
{
        assert_launched(daemon_launch(d, "web", "fake.ignore-powerdown", ""), "running");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_launched(daemon_launch(d, "web", "fake.ignore-powerdown fake.ignore-quit", ""),
                        "running");
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "killed");
        assert_launched(daemon_launch(d, "web", "fake.ignore-quit", ""), "running");
        assert_cvm(daemon_call(d, "Stop", "{\"name\":\"web\",\"force\":true}"), "stopped",
                   "killed");
}

/* A second, patient Stop waits with the first; a forced one hastens both. */
static void test_many_stops(void **state)
{
        int fds[3];

        d->config->powerdown_sec = 3600;
        assert_launched(daemon_launch(d, "web", "fake.ignore-powerdown", ""), "running");
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                fds[i] = daemon_connect(d);
                daemon_send(fds[i], "Stop", i == 2 ? "{\"name\":\"web\",\"force\":true}" : NAME,
                            false);
                test_loop_for(&d->test, 20);
                if (i < 2)
                        assert_true(daemon_is(d, "web", VM_STOPPING));
        }
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++) {
                assert_cvm(daemon_receive(d, fds[i]), "stopped", "stopped");
                close(fds[i]);
        }
}

/* The first one's client goes: the stop goes on. */
static void test_a_stop_whose_client_goes(void **state)
{
        int fd;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        fd = daemon_connect(d);
        daemon_send(fd, "Stop", NAME, false);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPING));
        close(fd);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPED));
}

static void test_no_pause_while_stopping(void **state)
{
        int fd;

        assert_launched(daemon_launch(d, "web", "fake.ignore-powerdown", ""), "running");
        fd = daemon_connect(d);
        daemon_send(fd, "Stop", NAME, false);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPING));
        assert_error(daemon_call(d, "Pause", NAME), "WrongState");
        assert_error(daemon_call(d, "Resume", NAME), "WrongState");
        assert_cvm(daemon_receive(d, fd), "stopped", "stopped");
        close(fd);
}

/* QEMU is held by SIGSTOP: Pause is answered when QEMU is gone, Stop goes to its end. */
static void test_stop_while_a_pause_waits(void **state)
{
        int fd;
        pid_t pid;

        assert_launched(daemon_launch(d, "web", "", ""), "running");
        pid = d->manager->home.table.vms[0]->ops->pid(
                d->manager->home.table.vms[0]->process.driver);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        fd = daemon_connect(d);
        daemon_send(fd, "Pause", NAME, false);
        test_loop_for(&d->test, 20);
        assert_cvm(daemon_call(d, "Stop", "{\"name\":\"web\",\"force\":true}"), "stopped",
                   "killed");
        assert_error(daemon_receive(d, fd), "LaunchFailed");
        close(fd);
}

/* What a stopped daemon leaves open of its clients: nothing (daemon_done() looks). */
static void test_down_with_everything_open(void **state)
{
        int fds[4], pid;

        assert_launched(daemon_launch(d, "web", "fake.ignore-powerdown", ""), "running");
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = daemon_connect(d);
        pid = d->manager->home.table.vms[0]->ops->pid(
                d->manager->home.table.vms[0]->process.driver);
        assert_int_equal(kill(pid, SIGSTOP), 0);
        daemon_send(fds[0], "Watch", NULL, true);
        daemon_send(fds[1], "Logs", "{\"name\":\"web\",\"follow\":true}", true);
        daemon_send(fds[2], "Pause", NAME, false);
        test_loop_for(&d->test, 20);
        daemon_send(fds[3], "Stop", NAME, false);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPING));
        daemon_stop(d);
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                close(fds[i]);
        /* still stopping: the next daemon goes on with it */
        daemon_start(d);
        assert_int_equal(kill(pid, SIGCONT), 0);
        test_loop_until(&d->test, daemon_is(d, "web", VM_STOPPED));
        assert_int_equal(waitpid(pid, NULL, 0), pid);
}

/* A connection from the guest that has this CID; returns the guest's end. */
static int vsock_connect(VsockListener *listener, uint32_t cid)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        vsock_add(listener, fds[1], cid);
        return fds[0];
}

static void say_ready(int guest)
{
        assert_int_equal(send(guest, "READY=1", 7, MSG_NOSIGNAL), 7);
        close(guest);
}

static bool has_hung_up(int guest)
{
        char byte;

        return recv(guest, &byte, 1, MSG_DONTWAIT) == 0;
}

static void test_ready_over_vsock(void **state)
{
        int guests[VSOCK_CONNECTIONS_MAX], stale, stranger;
        VsockListener *listener;

        assert_int_equal(vsock_listen(d->manager, &listener), 0);
        if (!listener)
                skip();
        assert_launched(daemon_launch(d, "web", "fake.no-ready", ""), "running");
        daemon_vm(d, "web")->reserved.vsock_cid = CID;
        stranger = vsock_connect(listener, CID + 1);
        assert_true(has_hung_up(stranger));
        close(stranger);

        for (size_t i = 0; i < VSOCK_CONNECTIONS_MAX; i++)
                guests[i] = vsock_connect(listener, CID);
        stranger = vsock_connect(listener, CID);
        assert_true(has_hung_up(stranger));
        close(stranger);
        assert_false(has_hung_up(guests[0]));
        for (size_t i = 1; i < VSOCK_CONNECTIONS_MAX; i++)
                close(guests[i]);
        assert_false(daemon_vm(d, "web")->guest.ready);
        say_ready(guests[0]);
        test_loop_until(&d->test, daemon_vm(d, "web")->guest.ready);

        /* its CID's next owner is not ready for it */
        stale = vsock_connect(listener, CID);
        assert_cvm(daemon_call(d, "Stop", NAME), "stopped", "stopped");
        assert_launched(daemon_launch(d, "next", "fake.no-ready", ""), "running");
        daemon_vm(d, "next")->reserved.vsock_cid = CID;
        say_ready(stale);
        for (size_t i = 0; i < 10; i++)
                uv_run(&d->test.loop, UV_RUN_NOWAIT);
        assert_false(daemon_vm(d, "next")->guest.ready);
        say_ready(vsock_connect(listener, CID));
        test_loop_until(&d->test, daemon_vm(d, "next")->guest.ready);

        stale = vsock_connect(listener, CID);
        vsock_close(listener);
        uv_run(&d->test.loop, UV_RUN_NOWAIT);
        assert_true(has_hung_up(stale));
        close(stale);
        daemon_vm(d, "next")->reserved.vsock_cid = 0;
        assert_cvm(daemon_call(d, "Stop", "{\"name\":\"next\"}"), "stopped", "stopped");
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                daemon_test(test_whole_life),
                daemon_test(test_secrets_go_before_the_end),
                daemon_test(test_paused_from_the_start),
                daemon_test(test_the_guest_ends),
                daemon_test(test_qemu_ends),
                daemon_test(test_qemu_is_killed_from_outside),
                daemon_test(test_stop_by_all_means),
                daemon_test(test_many_stops),
                daemon_test(test_a_stop_whose_client_goes),
                daemon_test(test_no_pause_while_stopping),
                daemon_test(test_stop_while_a_pause_waits),
                daemon_test(test_ready_over_vsock),
                daemon_test(test_down_with_everything_open),
        };

        daemon_fake_qemu = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
