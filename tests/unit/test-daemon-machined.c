/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/json.h"
#include "directory.h"
#include "leaks.h"
#include "loop.h"
#include "systemd/machined.h"
#include "wire/server.h"

/* A machined that answers as it is told, at a socket in the same loop. */
static struct {
        const char *answers[4]; /* error names; NULL: registered */
        unsigned n_calls;
        json_object *calls[4];
} fake;

static int on_register(WireCall *call, json_object *parameters, void *userdata, CvmError *error)
{
        const char *answer;

        assert_true(fake.n_calls < 4);
        answer = fake.answers[fake.n_calls];
        /* a copy: the strings of a call are cleared after it */
        assert_int_equal(json_object_deep_copy(parameters, &fake.calls[fake.n_calls], NULL), 0);
        fake.n_calls++;
        if (answer)
                return cvm_error_set_wire(error, answer, NULL);
        wire_call_reply(call, NULL);
        return 0;
}

static int no_bus(sd_bus **ret)
{
        return -ECONNREFUSED;
}

typedef struct Test {
        TestLoop loop;
        char *directory, path[108];
        Bus *bus;
        WireServer *server;
        Machined *machined;
} Test;

static void test_begin(Test *t, bool listens)
{
        static const WireMethod methods[] = {{"io.systemd.Machine.Register", on_register, 0}, {}};
        static const WireInterface interface = {"io.systemd.Machine", "", methods};
        static const WireServerInfo info = {"", "", "", ""};

        *t = (Test){};
        memset(&fake, 0, sizeof(fake));
        t->directory = directory_make();
        snprintf(t->path, sizeof(t->path), "%s/machined", t->directory);
        test_loop_init(&t->loop);
        t->bus = bus_new(&t->loop.loop, no_bus);
        if (listens) {
                assert_int_equal(
                        wire_server_new(&t->loop.loop, &info, &interface, 1, NULL, &t->server), 0);
                assert_int_equal(wire_server_listen_path(t->server, t->path, 0600, (gid_t)-1), 0);
        }
        t->machined = machined_new(&t->loop.loop, t->bus, t->path);
        assert_non_null(t->machined);
}

static void test_end(Test *t)
{
        machined_free(t->machined);
        bus_free(t->bus);
        wire_server_close(t->server);
        test_loop_finish(&t->loop);
        for (size_t i = 0; i < fake.n_calls; i++)
                json_object_put(fake.calls[i]);
        directory_remove(&t->directory);
}

static void add(Test *t, const char *name, uint32_t cid)
{
        machined_register(t->machined, &(MachineSpec){.name = name,
                                                      .id = "01234567-89ab-cdef-0123-456789abcdef",
                                                      .leader = 4242,
                                                      .vsock_cid = cid,
                                                      .control = "/run/x"});
}

static void test_all_members(void **state)
{
        Test t;

        test_begin(&t, true);
        add(&t, "web", 7);
        test_loop_until(&t.loop, fake.n_calls == 1);
        assert_string_equal(json_member_string(fake.calls[0], "name"), "cvm-web");
        assert_string_equal(json_member_string(fake.calls[0], "class"), "vm");
        assert_string_equal(json_member_string(fake.calls[0], "id"),
                            "01234567-89ab-cdef-0123-456789abcdef");
        assert_int_equal(json_member_int(fake.calls[0], "leader", 0), 4242);
        assert_int_equal(json_member_int(fake.calls[0], "vSockCid", 0), 7);
        assert_string_equal(json_member_string(fake.calls[0], "controlAddress"), "/run/x");
        test_end(&t);
}

/* One that knows no control address gets none, from then on. */
static void test_older(void **state)
{
        Test t;

        test_begin(&t, true);
        fake.answers[0] = "org.varlink.service.InvalidParameter";
        add(&t, "a", 0);
        add(&t, "b", 0);
        test_loop_until(&t.loop, fake.n_calls == 3);
        assert_string_equal(json_member_string(fake.calls[1], "name"), "cvm-a");
        assert_null(json_member(fake.calls[1], "controlAddress"));
        assert_null(json_member(fake.calls[1], "vSockCid"));
        assert_string_equal(json_member_string(fake.calls[2], "name"), "cvm-b");
        assert_null(json_member(fake.calls[2], "controlAddress"));
        test_end(&t);
}

/* One at a time, and one that is refused holds up nobody. */
static void test_refused(void **state)
{
        Test t;

        test_begin(&t, true);
        fake.answers[0] = "io.systemd.System";
        add(&t, "a", 0);
        add(&t, "b", 0);
        test_loop_until(&t.loop, fake.n_calls == 2);
        assert_string_equal(json_member_string(fake.calls[1], "name"), "cvm-b");
        test_end(&t);
}

static void test_forgotten(void **state)
{
        Test t;

        test_begin(&t, true);
        add(&t, "a", 0);
        add(&t, "b", 0); /* of the same id: both, one of which is on its way */
        machined_forget(t.machined, "01234567-89ab-cdef-0123-456789abcdef");
        test_loop_until(&t.loop, fake.n_calls == 1);
        test_loop_for(&t.loop, 30);
        assert_int_equal(fake.n_calls, 1);
        test_end(&t);
}

static void test_nobody_there(void **state)
{
        Test t;

        test_begin(&t, false);
        for (unsigned i = 0; i < 1000; i++)
                add(&t, "a", 0);
        test_end(&t);
}

static void test_names(void **state)
{
        static const char id[] = "01234567-89ab-cdef-0123-456789abcdef";
        static const struct {
                const char *name, *machine;
        } cases[] = {
                {"web", "cvm-web"},
                {"web.a_1", "cvm-web.a-1"},
                {"a-.b", "cvm-a-xb"},
                {"a._b", "cvm-a.xb"},
                {"a_", "cvm-a"},
                {"a.", "cvm-a"},
                {"a__b--c", "cvm-a--b--c"},
        };
        char name[MACHINE_NAME_MAX + 1], longest[64];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                machined_name(cases[i].name, id, false, name);
                assert_string_equal(name, cases[i].machine);
        }
        machined_name("web", id, true, name);
        assert_string_equal(name, "cvm-web-01234567");
        memset(longest, 'a', 63);
        longest[63] = 0;
        machined_name(longest, id, false, name);
        assert_int_equal(strlen(name), 64);
        machined_name(longest, id, true, name);
        assert_int_equal(strlen(name), 64);
        assert_string_equal(name + 55, "-01234567");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_members),  cmocka_unit_test(test_older),
                cmocka_unit_test(test_refused),      cmocka_unit_test(test_forgotten),
                cmocka_unit_test(test_nobody_there), cmocka_unit_test(test_names),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
