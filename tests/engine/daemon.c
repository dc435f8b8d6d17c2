/* SPDX-License-Identifier: Apache-2.0 */
#include "../unit/test.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <semaphore.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "../unit/artifacts.h"
#include "artifact/embedded.h"
#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "base/tree.h"
#include "daemon.h"

const EmbeddedArtifact embedded_artifacts[] = {{}}; /* of cvmd, which is not linked */

char *daemon_path(const Daemon *daemon, const char *relative)
{
        char *path;

        assert_true(asprintf(&path, "%s/%s", daemon->root, relative) >= 0);
        return path;
}

static void write_file(const Daemon *daemon, const char *name, const void *data, size_t size)
{
        _cleanup_close_ int fd = open(daemon->root, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_int_equal(file_write_atomic_at(fd, name, data, size, 0600), 0);
}

static bool port_is_free(uint16_t port)
{
        _cleanup_close_ int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        struct sockaddr_in address = {.sin_family = AF_INET,
                                      .sin_port = htons(port),
                                      .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

        /* what connections left lingering is nobody's fault */
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &(int){1}, sizeof(int));
        return bind(fd, (struct sockaddr *)&address, sizeof(address)) == 0 && listen(fd, 1) == 0;
}

static bool ports_are_free(uint16_t first)
{
        for (uint16_t i = 0; i < DAEMON_PORTS; i++)
                if (!port_is_free((uint16_t)(first + i)))
                        return false;
        return true;
}

/* A range that no other test uses, whatever runs beside this one. */
static uint16_t choose_ports(void)
{
        for (uint16_t i = 0; i < 1000; i++) {
                uint16_t first = (uint16_t)(10000 + (getpid() + i) % 1000 * DAEMON_PORTS);

                if (ports_are_free(first))
                        return first;
        }
        fail_msg("no free ports");
        return 0;
}

void daemon_make(Daemon *daemon, const char *fake_qemu)
{
        uint8_t kernel[BZIMAGE_SIZE];
        _cleanup_free_ char *text = NULL, *message = NULL, *path = NULL;
        _cleanup_free_ char *program = realpath(fake_qemu, NULL);

        setenv("UV_THREADPOOL_SIZE", TURNS_THREADS, 1); /* as cvmd does */
        signal(SIGPIPE, SIG_IGN);
        *daemon = (Daemon){.root = strdup("/tmp/cvmd-engine-XXXXXX")};
        assert_non_null(mkdtemp(daemon->root));
        make_bzimage(kernel);
        write_file(daemon, "kernel", kernel, sizeof(kernel));
        write_file(daemon, "initramfs", "070701initramfs", 15);
        daemon->first_port = choose_ports();
        assert_true(asprintf(&text,
                             "{\"accelerator\": \"tcg\", \"qemu\": {\"default\": \"%s\"},"
                             " \"network\": {\"hostAccess\": \"allow\"},"
                             " \"ports\": {\"first\": %u, \"last\": %u},"
                             " \"timeouts\": {\"startSec\": 20, \"readySec\": 20,"
                             " \"powerdownSec\": 1, \"quitSec\": 1}}",
                             program, daemon->first_port,
                             daemon->first_port + DAEMON_PORTS - 1) >= 0);
        write_file(daemon, "conf", text, strlen(text));
        path = daemon_path(daemon, "conf");
        if (config_load(path, NULL, &daemon->config, &message) < 0)
                fail_msg("%s", message);
        test_loop_init(&daemon->test);
}

void daemon_start(Daemon *daemon)
{
        static const WireServerInfo info = {"cvmd", "test", "1", "io.cvmd"};
        _cleanup_free_ char *runtime = daemon_path(daemon, "run"),
                            *state = daemon_path(daemon, "state");
        const ManagerDirectories directories = {runtime, state};
        CvmError error = {};

        if (parts_start(&daemon->test.loop, daemon->config, &directories, &daemon->parts, &error) <
            0)
                fail_msg("%s", cvm_error_message(&error));
        daemon->manager = daemon->parts.manager;
        assert_int_equal(wire_server_new(&daemon->test.loop, &info, &api_interface, 1,
                                         daemon->manager, &daemon->server),
                         0);
}

void daemon_stop(Daemon *daemon)
{
        if (!daemon->manager)
                return;
        wire_server_close(TAKE_PTR(daemon->server));
        parts_close(&daemon->parts);
        test_loop_until(&daemon->test, !uv_loop_alive(&daemon->test.loop));
        parts_free(&daemon->parts);
        daemon->manager = NULL;
}

size_t daemon_count(const Daemon *daemon, const char *relative)
{
        _cleanup_free_ char *path = daemon_path(daemon, relative);
        DIR *dir = opendir(path);
        size_t n = 0;

        for (struct dirent *entry; dir && (entry = readdir(dir));)
                n += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
        if (dir)
                closedir(dir);
        return n;
}

struct HeldTurn {
        Turn turn;
        sem_t go;
        bool done;
};

static void on_hold(Turn *turn)
{
        while (sem_wait(&container_of(turn, HeldTurn, turn)->go) < 0 && errno == EINTR)
                ;
}

static void on_held(Turn *turn)
{
        container_of(turn, HeldTurn, turn)->done = true;
}

void daemon_hold_turns(Daemon *daemon, uid_t uid)
{
        daemon->held = calloc(TURNS_OF_A_USER, sizeof(*daemon->held));
        assert_non_null(daemon->held);
        for (size_t i = 0; i < TURNS_OF_A_USER; i++) {
                HeldTurn *held = &daemon->held[i];

                assert_int_equal(sem_init(&held->go, 0, 0), 0);
                turns_take(daemon->manager->home.turns, &held->turn, uid, on_hold, on_held);
        }
}

void daemon_let_turns_go(Daemon *daemon)
{
        for (size_t i = 0; i < TURNS_OF_A_USER; i++)
                sem_post(&daemon->held[i].go);
        for (size_t i = 0; i < TURNS_OF_A_USER; i++) {
                test_loop_until(&daemon->test, daemon->held[i].done);
                sem_destroy(&daemon->held[i].go);
        }
        free(daemon->held);
        daemon->held = NULL;
}

void daemon_done(Daemon *daemon)
{
        size_t first = 0;

        if (daemon->held) /* of a test that failed */
                daemon_let_turns_go(daemon);
        if (daemon->manager)
                assert_null(vm_table_next_live(&daemon->manager->home.table, &first));
        daemon_stop(daemon);
        test_loop_finish(&daemon->test);
        assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
        assert_int_equal(daemon_count(daemon, "run/vms"), 0);
        assert_int_equal(daemon_count(daemon, "run/shares"), 0);
        assert_true(ports_are_free(daemon->first_port));
        config_free(daemon->config);
        assert_int_equal(tree_remove_at(AT_FDCWD, daemon->root), 0);
        free(daemon->root);
}

Daemon daemon_of_test;
const char *daemon_fake_qemu;

int daemon_set_up(void **state)
{
        daemon_make(&daemon_of_test, daemon_fake_qemu);
        daemon_start(&daemon_of_test);
        return 0;
}

int daemon_tear_down(void **state)
{
        daemon_done(&daemon_of_test);
        return 0;
}

int daemon_connect(Daemon *daemon)
{
        int fds[2];

        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(wire_server_add_connection(daemon->server, fds[1]), 0);
        return fds[0];
}

void daemon_send(int fd, const char *method, const char *parameters, bool more)
{
        _cleanup_free_ char *text = NULL;
        int n = asprintf(&text, "{\"method\":\"io.cvmd.Manager.%s\",\"parameters\":%s%s}", method,
                         parameters ?: "{}", more ? ",\"more\":true" : "");

        assert_true(n > 0);
        assert_int_equal(send(fd, text, (size_t)n + 1, MSG_NOSIGNAL), n + 1);
}

json_object *daemon_receive(Daemon *daemon, int fd)
{
        _cleanup_(buffer_done) Buffer buffer = {};
        int64_t end = test_now_msec() + TEST_LOOP_MSEC;
        json_object *message = NULL;

        while (test_now_msec() < end) {
                char bytes[4096], *nul;
                ssize_t n = recv(fd, bytes, sizeof(bytes), MSG_PEEK | MSG_DONTWAIT);

                if (n == 0 || (n < 0 && errno != EAGAIN)) {
                        assert_int_equal(buffer.size, 0);
                        return NULL;
                }
                if (n < 0) {
                        test_loop_turn(&daemon->test);
                        continue;
                }
                nul = memchr(bytes, 0, (size_t)n);
                n = recv(fd, bytes, nul ? (size_t)(nul - bytes) + 1 : (size_t)n, 0);
                assert_int_equal(buffer_append(&buffer, bytes, (size_t)n), 0);
                if (!nul)
                        continue;
                assert_int_equal(json_parse(buffer.data, buffer.size - 1, &message, NULL), 0);
                return message;
        }
        fail_msg("no message came");
        return NULL;
}

json_object *daemon_call(Daemon *daemon, const char *method, const char *parameters)
{
        _cleanup_close_ int fd = daemon_connect(daemon);
        json_object *reply;

        daemon_send(fd, method, parameters, false);
        reply = daemon_receive(daemon, fd);
        assert_non_null(reply);
        return reply;
}

char *daemon_spec(const Daemon *daemon, const char *name, const char *behaviour, const char *extra)
{
        char *spec;

        assert_true(asprintf(&spec,
                             "{\"name\":\"%s\",\"platform\":\"plain\",\"memory\":\"64M\","
                             "\"kernel\":{\"path\":\"%s/kernel\"},"
                             "\"initramfs\":{\"path\":\"%s/initramfs\"},\"cmdline\":\"%s\"%s}",
                             name, daemon->root, daemon->root, behaviour, extra) > 0);
        return spec;
}

void daemon_send_launch(Daemon *daemon, int fd, const char *name, const char *behaviour,
                        const char *extra)
{
        _cleanup_free_ char *spec = daemon_spec(daemon, name, behaviour, ""), *parameters = NULL;

        assert_true(asprintf(&parameters, "{\"spec\":%s%s}", spec, extra) > 0);
        daemon_send(fd, "Launch", parameters, false);
}

json_object *daemon_launch(Daemon *daemon, const char *name, const char *behaviour,
                           const char *extra)
{
        _cleanup_close_ int fd = daemon_connect(daemon);
        json_object *reply;

        daemon_send_launch(daemon, fd, name, behaviour, extra);
        reply = daemon_receive(daemon, fd);
        assert_non_null(reply);
        return reply;
}

Vm *daemon_vm(const Daemon *daemon, const char *name)
{
        return vm_table_find(&daemon->manager->home.table, name);
}

bool daemon_is_at(const Daemon *daemon, LaunchStepId step)
{
        const Launch *launch = LIST_FIRST(&daemon->manager->launches);

        return launch && launch_is_at(launch, step);
}

bool daemon_is(const Daemon *daemon, const char *name, VmState state)
{
        Vm *vm = daemon_vm(daemon, name);

        return vm && vm->state == state;
}

void assert_launched(json_object *reply, const char *state)
{
        assert_cvm(reply, state, NULL);
}

void assert_error(json_object *reply, const char *error)
{
        assert_error_says(reply, error, NULL, NULL);
}

void assert_error_says(json_object *reply, const char *error, const char *field, const char *part)
{
        _cleanup_json_ json_object *held = reply;
        const char *name = json_member_string(reply, "error"), *text;

        if (!name || strncmp(name, "io.cvmd.Manager.", 16) != 0 || strcmp(name + 16, error) != 0)
                fail_msg("no %s: %s", error, json_text(reply));
        if (!field)
                return;
        text = json_member_string(json_member(reply, "parameters"), field);
        if (!text || !strstr(text, part))
                fail_msg("'%s' is not in %s of %s", part, field, json_text(reply));
}

void assert_cvm(json_object *reply, const char *state, const char *reason)
{
        _cleanup_json_ json_object *held = reply;
        json_object *cvm = json_member(json_member(reply, "parameters"), "cvm");
        const char *found = json_member_string(cvm, "state");
        const char *ending = json_member_string(json_member(cvm, "ending"), "reason");

        if (!found || strcmp(found, state) != 0 ||
            (reason && (!ending || strcmp(ending, reason) != 0)))
                fail_msg("not %s, %s: %s", state, reason ?: "", json_text(reply));
}
