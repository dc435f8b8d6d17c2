/* SPDX-License-Identifier: Apache-2.0 */
/* The QMP client with the real QEMU, and with fake-qemu. Usage: test-qmp-live PATH-OF-FAKE-QEMU */
#include "../unit/test.h"

#include <sys/wait.h>

#include "base/json.h"
#include "machine.h"
#include "qmp/qmp.h"

static const char *fake;

typedef struct Talk {
        unsigned n_ready, n_status, n_quit, n_closed, n_resume, n_shutdown;
} Talk;

static void on_status(QmpClient *client, json_object *result, const char *error_class,
                      const char *error_text, void *userdata)
{
        Talk *talk = userdata;

        assert_non_null(result);
        assert_string_equal(json_member_string(result, "status"), "prelaunch");
        talk->n_status++;
}

/* The end may come before the answer. */
static void on_quit(QmpClient *client, json_object *result, const char *error_class,
                    const char *error_text, void *userdata)
{
        Talk *talk = userdata;

        if (!result)
                assert_string_equal(error_class, "Disconnected");
        talk->n_quit++;
}

static void on_ready(QmpClient *client, const char *version, void *userdata)
{
        Talk *talk = userdata;
        int end = 0;

        assert_int_equal(sscanf(version, "%*u.%*u.%*u%n", &end), 0);
        assert_int_equal(version[end], 0);
        talk->n_ready++;
        assert_int_equal(qmp_client_execute(client, "query-status", NULL, on_status, talk), 0);
        assert_int_equal(qmp_client_execute(client, "cont", NULL, NULL, NULL), 0);
}

static void on_event(QmpClient *client, const char *name, json_object *data, void *userdata)
{
        Talk *talk = userdata;

        if (strcmp(name, "RESUME") == 0) {
                talk->n_resume++;
                assert_int_equal(qmp_client_execute(client, "quit", NULL, on_quit, talk), 0);
        } else if (strcmp(name, "SHUTDOWN") == 0) {
                assert_string_equal(json_member_string(data, "reason"), "host-qmp-quit");
                talk->n_shutdown++;
        }
}

static void on_closed(QmpClient *client, const char *reason, bool broken, void *userdata)
{
        Talk *talk = userdata;

        if (broken)
                fail_msg("%s", reason);
        talk->n_closed++;
}

static void talk_with(const char *program)
{
        static const QmpCallbacks callbacks = {on_ready, on_event, on_closed};
        Machine machine;
        Talk talk = {};
        QmpClient *client;
        uv_loop_t loop;
        int fd;

        machine_start(&machine, program, NULL);
        assert_int_equal(uv_loop_init(&loop), 0);
        fd = machine_connect(&machine, MACHINE_QMP);
        assert_int_equal(qmp_client_new(&loop, fd, &callbacks, &talk, &client), 0);
        uv_run(&loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&loop), 0);
        assert_int_equal(machine_wait(&machine, NULL), 0);
        machine_done(&machine);
        assert_memory_equal(&talk, (&(Talk){1, 1, 1, 1, 1, 1}), sizeof(talk));
}

static void test_real(void **state)
{
        if (!machine_real()) {
                print_message("qemu-system-x86_64 is not installed\n");
                skip();
        }
        talk_with(machine_real());
}

static void test_fake(void **state)
{
        talk_with(fake);
}

int main(int argc, char **argv)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_real),
                cmocka_unit_test(test_fake),
        };

        if (argc != 2)
                return 2;
        fake = argv[1];
        return cmocka_run_group_tests(tests, NULL, NULL);
}
