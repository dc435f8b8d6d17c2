/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <sys/socket.h>
#include <systemd/sd-id128.h>

#include "base/macros.h"
#include "leaks.h"
#include "loop.h"
#include "systemd/scope.h"

/* The other end of the bus: a service manager that does as it is told, in the same loop. */
typedef enum Behaviour { DONE, JOB_FAILS, REFUSES, SILENT, HANGS_UP } Behaviour;

static struct {
        int ends[2]; /* daemon's, manager's; -1 once taken */
        unsigned connects, starts, stops, sets;
        Behaviour behaviour;
        char stopped[64];
        char *devices, *slice; /* what the last start named */
        uint32_t pid;
        int counts_io;
        uint64_t memory_max, tasks_max, cpu_weight, memory_high;
} fake;

static int connect_daemon(sd_bus **ret)
{
        sd_bus *bus = NULL;
        int fd = TAKE_FD(fake.ends[0]);

        fake.connects++;
        if (fd < 0)
                return -ECONNREFUSED;
        assert_int_equal(sd_bus_new(&bus), 0);
        assert_true(sd_bus_set_fd(bus, fd, fd) >= 0 && sd_bus_start(bus) >= 0);
        *ret = bus;
        return 0;
}

static void signal_job(sd_bus *bus, const char *unit, const char *result)
{
        sd_bus_message *signal = NULL;

        assert_true(sd_bus_message_new_signal(bus, &signal, "/org/freedesktop/systemd1",
                                              "org.freedesktop.systemd1.Manager",
                                              "JobRemoved") >= 0);
        assert_true(sd_bus_message_append(signal, "uoss", 7, "/org/freedesktop/systemd1/job/7",
                                          unit, result) >= 0);
        assert_true(sd_bus_message_set_sender(signal, "org.freedesktop.systemd1") >= 0);
        assert_true(sd_bus_send(bus, signal, NULL) >= 0);
        sd_bus_message_unref(signal);
}

static void read_property(sd_bus_message *m, const char *name, const char *contents)
{
        const struct {
                const char *name;
                uint64_t *value;
        } numbers[] = {{"MemoryMax", &fake.memory_max},
                       {"MemoryHigh", &fake.memory_high},
                       {"TasksMax", &fake.tasks_max},
                       {"CPUWeight", &fake.cpu_weight}};
        const char *text, *mode;

        assert_true(sd_bus_message_enter_container(m, 'v', contents) > 0);
        for (size_t i = 0; i < ARRAY_SIZE(numbers); i++)
                if (strcmp(name, numbers[i].name) == 0) {
                        assert_true(sd_bus_message_read(m, "t", numbers[i].value) > 0);
                        sd_bus_message_exit_container(m);
                        return;
                }
        if (strcmp(name, "PIDs") == 0) {
                assert_true(sd_bus_message_enter_container(m, 'a', "u") > 0);
                assert_true(sd_bus_message_read(m, "u", &fake.pid) > 0);
                sd_bus_message_exit_container(m);
        } else if (strcmp(name, "DeviceAllow") == 0) {
                assert_true(sd_bus_message_enter_container(m, 'a', "(ss)") > 0);
                fake.devices = strdup("");
                while (sd_bus_message_read(m, "(ss)", &text, &mode) > 0) {
                        char *old = fake.devices;

                        assert_true(asprintf(&fake.devices, "%s%s %s;", old, text, mode) > 0);
                        free(old);
                }
                sd_bus_message_exit_container(m);
        } else if (strcmp(name, "IOAccounting") == 0) {
                assert_true(sd_bus_message_read(m, "b", &fake.counts_io) > 0);
        } else if (strcmp(name, "Slice") == 0) {
                assert_true(sd_bus_message_read(m, "s", &text) > 0);
                fake.slice = strdup(text);
        } else {
                assert_true(sd_bus_message_skip(m, contents) >= 0);
        }
        sd_bus_message_exit_container(m);
}

static void on_start_call(sd_bus *bus, sd_bus_message *m)
{
        const char *unit, *mode, *name, *contents;

        fake.starts++;
        assert_true(sd_bus_message_read(m, "ss", &unit, &mode) > 0);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sv)") > 0);
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                assert_true(sd_bus_message_read(m, "s", &name) > 0);
                assert_true(sd_bus_message_peek_type(m, NULL, &contents) > 0);
                read_property(m, name, contents);
                sd_bus_message_exit_container(m);
        }
        switch (fake.behaviour) {
        case DONE:
        case JOB_FAILS:
                /* jobs of others are none of ours */
                signal_job(bus, "cvm-other-1.scope", "failed");
                assert_true(sd_bus_reply_method_return(m, "o", "/org/freedesktop/systemd1/job/7") >=
                            0);
                signal_job(bus, unit, fake.behaviour == DONE ? "done" : "failed");
                break;
        case REFUSES:
                sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.UnitExists", "is there");
                break;
        case SILENT:
                break;
        case HANGS_UP:
                sd_bus_close(bus);
                break;
        }
}

static void on_set_call(sd_bus *bus, sd_bus_message *m)
{
        const char *unit, *name;
        int runtime;

        fake.sets++;
        assert_true(sd_bus_message_read(m, "sb", &unit, &runtime) > 0);
        assert_string_equal(unit, "cvm-a-42.scope");
        assert_true(runtime);
        assert_true(sd_bus_message_enter_container(m, 'a', "(sv)") > 0);
        while (sd_bus_message_enter_container(m, 'r', "sv") > 0) {
                assert_true(sd_bus_message_read(m, "s", &name) > 0);
                read_property(m, name, "t");
                sd_bus_message_exit_container(m);
        }
        if (fake.behaviour == DONE)
                sd_bus_reply_method_return(m, NULL);
        else if (fake.behaviour == REFUSES)
                sd_bus_reply_method_errorf(m, "org.freedesktop.systemd1.NoSuchUnit", "not there");
        else if (fake.behaviour == HANGS_UP)
                sd_bus_close(bus);
}

static int on_message(sd_bus_message *m, void *userdata, sd_bus_error *error)
{
        const char *unit;

        if (sd_bus_message_is_method_call(m, NULL, "StartTransientUnit")) {
                on_start_call(sd_bus_message_get_bus(m), m);
        } else if (sd_bus_message_is_method_call(m, NULL, "SetUnitProperties")) {
                on_set_call(sd_bus_message_get_bus(m), m);
        } else if (sd_bus_message_is_method_call(m, NULL, "StopUnit")) {
                fake.stops++;
                assert_true(sd_bus_message_read(m, "s", &unit) > 0);
                snprintf(fake.stopped, sizeof(fake.stopped), "%s", unit);
        }
        return 1;
}

static int connect_manager(sd_bus **ret)
{
        sd_bus *bus = NULL;
        int fd = TAKE_FD(fake.ends[1]);
        sd_id128_t id;

        assert_int_equal(sd_id128_randomize(&id), 0);
        assert_int_equal(sd_bus_new(&bus), 0);
        assert_true(sd_bus_set_fd(bus, fd, fd) >= 0 && sd_bus_set_server(bus, true, id) >= 0 &&
                    sd_bus_add_filter(bus, NULL, on_message, NULL) >= 0 && sd_bus_start(bus) >= 0);
        *ret = bus;
        return 0;
}

typedef struct Test {
        TestLoop loop;
        Bus *bus, *manager;
        ScopeStart *start;
        int r; /* of `done`; 1: not called */
        char *reason;
} Test;

static void on_done(int r, const char *reason, void *userdata)
{
        Test *t = userdata;

        assert_int_equal(t->r, 1);
        t->r = r;
        t->reason = reason ? strdup(reason) : NULL;
}

static void test_begin(Test *t, Behaviour behaviour)
{
        sd_bus *ignored;

        *t = (Test){.r = 1};
        test_loop_init(&t->loop);
        memset(&fake, 0, sizeof(fake));
        fake.behaviour = behaviour;
        assert_int_equal(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fake.ends), 0);
        t->bus = bus_new(&t->loop.loop, connect_daemon);
        t->manager = bus_new(&t->loop.loop, connect_manager);
        assert_int_equal(bus_get(t->manager, &ignored), 0);
}

static int begin_scope(Test *t)
{
        static const SpecLimits limits = {.memory_max = 3u << 30, .cpu_weight = 50};
        char *devices[] = {(char *)"/dev/kvm", (char *)"/dev/vhost-vsock", NULL};
        const ScopeSpec spec = {.unit = "cvm-a-42.scope",
                                .description = "a",
                                .pid = 42,
                                .limits = &limits,
                                .tasks_max = 258,
                                .devices = devices,
                                .msec = fake.behaviour == SILENT ? 200 : TEST_LOOP_MSEC};

        return scope_start(&t->loop.loop, t->bus, &spec, on_done, t, &t->start);
}

static void test_end(Test *t)
{
        bus_free(t->bus);
        bus_free(t->manager);
        free(t->reason);
        free(fake.devices);
        free(fake.slice);
        test_loop_finish(&t->loop);
}

static void test_done(void **state)
{
        Test t;

        test_begin(&t, DONE);
        assert_int_equal(begin_scope(&t), 0);
        test_loop_until(&t.loop, t.r != 1);
        assert_int_equal(t.r, 0);
        assert_int_equal(fake.pid, 42);
        assert_int_equal(fake.memory_max, 3u << 30);
        assert_int_equal(fake.memory_high, 0);
        assert_int_equal(fake.tasks_max, 258);
        assert_int_equal(fake.cpu_weight, 50);
        assert_string_equal(fake.slice, "cvm.slice");
        assert_true(fake.counts_io);
        assert_string_equal(fake.devices, "/dev/kvm rw;/dev/vhost-vsock rw;");
        /* the same connection serves what follows */
        scope_stop(t.bus, "cvm-a-42.scope");
        test_loop_until(&t.loop, fake.stops == 1);
        assert_string_equal(fake.stopped, "cvm-a-42.scope");
        assert_int_equal(fake.connects, 1);
        test_end(&t);
}

static void assert_ends(Behaviour behaviour, int r, const char *reason)
{
        Test t;

        test_begin(&t, behaviour);
        assert_int_equal(begin_scope(&t), 0);
        test_loop_until(&t.loop, t.r != 1);
        assert_int_equal(t.r, r);
        if (reason)
                assert_string_equal(t.reason, reason);
        test_end(&t);
}

static void test_refusals(void **state)
{
        assert_ends(JOB_FAILS, -EREMOTEIO, "failed");
        assert_ends(REFUSES, -EREMOTEIO, "is there");
        assert_ends(HANGS_UP, -ETIMEDOUT, NULL);
}

static void test_silence(void **state)
{
        assert_ends(SILENT, -ETIMEDOUT, NULL);
}

static void test_cancel(void **state)
{
        Test t;

        test_begin(&t, DONE);
        assert_int_equal(begin_scope(&t), 0);
        scope_start_cancel(t.start);
        test_loop_until(&t.loop, fake.starts == 1);
        test_loop_for(&t.loop, 20);
        assert_int_equal(t.r, 1);
        test_end(&t);
}

static void test_nobody_there(void **state)
{
        Test t;

        test_begin(&t, DONE);
        close(TAKE_FD(fake.ends[0]));
        assert_int_equal(begin_scope(&t), -ECONNREFUSED);
        scope_stop(t.bus, "cvm-a-42.scope");
        test_end(&t);
}

/* A connection that was lost is made anew when it is needed. */
static void test_lost(void **state)
{
        sd_bus *ignored;
        Test t;

        test_begin(&t, HANGS_UP);
        assert_int_equal(begin_scope(&t), 0);
        test_loop_until(&t.loop, t.r != 1);
        t.r = 1;
        free(TAKE_PTR(t.reason));
        fake.behaviour = DONE;
        assert_int_equal(
                socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0, fake.ends), 0);
        bus_free(t.manager);
        t.manager = bus_new(&t.loop.loop, connect_manager);
        assert_int_equal(bus_get(t.manager, &ignored), 0);
        free(TAKE_PTR(fake.devices));
        free(TAKE_PTR(fake.slice));
        assert_int_equal(begin_scope(&t), 0);
        test_loop_until(&t.loop, t.r != 1);
        assert_int_equal(t.r, 0);
        assert_int_equal(fake.connects, 2);
        test_end(&t);
}

static int begin_limits(Test *t, const SpecLimits *limits, ScopeSet **ret)
{
        return scope_set_limits(&t->loop.loop, t->bus, "cvm-a-42.scope", limits,
                                fake.behaviour == SILENT ? 200 : TEST_LOOP_MSEC, on_done, t, ret);
}

static void test_limits(void **state)
{
        static const struct {
                SpecLimits limits;
                uint64_t cpu_weight, memory_high;
        } cases[] = {
                {{.cpu_weight = 50, .memory_high = 1u << 30, .memory_max = 5}, 50, 1u << 30},
                {{.cpu_weight = 7}, 7, UINT64_MAX},
                {{}, UINT64_MAX, UINT64_MAX},
        };
        ScopeSet *set;
        Test t;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                test_begin(&t, DONE);
                assert_int_equal(begin_limits(&t, &cases[i].limits, &set), 0);
                test_loop_until(&t.loop, t.r != 1);
                assert_int_equal(t.r, 0);
                assert_int_equal(fake.cpu_weight, cases[i].cpu_weight);
                assert_int_equal(fake.memory_high, cases[i].memory_high);
                assert_int_equal(fake.memory_max, 0);
                test_end(&t);
        }
}

static void test_limits_refused(void **state)
{
        static const struct {
                Behaviour behaviour;
                int r;
        } cases[] = {{REFUSES, -EREMOTEIO}, {HANGS_UP, -ETIMEDOUT}, {SILENT, -ETIMEDOUT}};
        ScopeSet *set;
        Test t;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                test_begin(&t, cases[i].behaviour);
                assert_int_equal(begin_limits(&t, &(SpecLimits){.cpu_weight = 1}, &set), 0);
                test_loop_until(&t.loop, t.r != 1);
                assert_int_equal(t.r, cases[i].r);
                assert_non_null(t.reason);
                test_end(&t);
        }
        test_begin(&t, DONE);
        assert_int_equal(begin_limits(&t, &(SpecLimits){.cpu_weight = 1}, &set), 0);
        scope_set_cancel(set);
        test_loop_until(&t.loop, fake.sets == 1);
        test_loop_for(&t.loop, 20);
        assert_int_equal(t.r, 1);
        test_end(&t);
}

/* A user of the bus finds its connection broken and replaces it before the loop has noticed: no
 * answer comes from sd-bus, and the change is still given up in time. */
static void test_limits_of_a_lost_connection(void **state)
{
        sd_bus *connection;
        ScopeSet *set;
        Test t;

        test_begin(&t, SILENT);
        assert_int_equal(begin_limits(&t, &(SpecLimits){.cpu_weight = 1}, &set), 0);
        test_loop_until(&t.loop, fake.sets == 1);
        assert_int_equal(bus_get(t.bus, &connection), 0);
        sd_bus_close(connection);
        assert_int_equal(bus_get(t.bus, &connection), -ECONNREFUSED);
        test_loop_until(&t.loop, t.r != 1);
        assert_int_equal(t.r, -ETIMEDOUT);
        test_end(&t);
}

static void test_names(void **state)
{
        _cleanup_free_ char *name = scope_unit_name("web.a_b-1", 4194304);

        assert_string_equal(name, "cvm-web.a_b-1-4194304.scope");
        assert_true(scope_unit_is_valid(name));
        assert_false(scope_unit_is_valid("cvm-.scope"));
        assert_false(scope_unit_is_valid("cvm-a.service"));
        assert_false(scope_unit_is_valid("session-1.scope"));
        assert_false(scope_unit_is_valid("cvm-a/b.scope"));
        assert_false(scope_unit_is_valid("cvm-a',x='b.scope"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_done),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_silence),
                cmocka_unit_test(test_cancel),
                cmocka_unit_test(test_nobody_there),
                cmocka_unit_test(test_lost),
                cmocka_unit_test(test_limits),
                cmocka_unit_test(test_limits_refused),
                cmocka_unit_test(test_limits_of_a_lost_connection),
                cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
