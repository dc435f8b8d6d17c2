/* SPDX-License-Identifier: Apache-2.0 */

/* The blocking client against a scripted server in a child process. */

#include "test.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <sys/wait.h>

#include "base/fd.h"
#include "base/json.h"
#include "base/memfd.h"
#include "loop.h"
#include "wire/client.h"

typedef struct Peer {
        char directory[32], path[48];
        pid_t pid;
        WireClient *client;
        CvmError error;
        size_t n_fds;
} Peer;

/* What the child does with the accepted connection; its exit status is asserted to be 0. */
typedef int (*Script)(int fd);

static Peer peer_start(Script script)
{
        struct sockaddr_un address = {.sun_family = AF_UNIX};
        Peer p = {.directory = "/tmp/test-wire-XXXXXX", .n_fds = test_count_fds()};
        int listener;

        assert_non_null(mkdtemp(p.directory));
        snprintf(p.path, sizeof(p.path), "%s/socket", p.directory);
        memcpy(address.sun_path, p.path, sizeof(p.path));
        listener = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
        assert_int_equal(bind(listener, (struct sockaddr *)&address, sizeof(address)), 0);
        assert_int_equal(listen(listener, 1), 0);
        fflush(NULL);
        p.pid = fork();
        assert_true(p.pid >= 0);
        if (p.pid == 0) {
                int fd = accept(listener, NULL, NULL);

                close(listener);
                _exit(fd < 0 ? 99 : script(fd));
        }
        close(listener);
        assert_int_equal(wire_client_connect(p.path, &p.client, &p.error), 0);
        return p;
}

static void peer_stop(Peer *p)
{
        int status;

        p->client = wire_client_free(p->client);
        assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
        assert_int_equal(status, 0);
        cvm_error_done(&p->error);
        assert_int_equal(unlink(p->path), 0);
        assert_int_equal(rmdir(p->directory), 0);
        assert_int_equal(test_count_fds(), p->n_fds);
}

/* In the child: whether the next message is this one. */
static bool hears(int fd, const char *text)
{
        char buffer[4096];
        size_t size = 0;

        while (size < sizeof(buffer) && read(fd, buffer + size, 1) == 1)
                if (buffer[size++] == 0)
                        return strcmp(buffer, text) == 0;
        return false;
}

static bool says(int fd, const char *data, size_t size)
{
        return fd_write_all(fd, data, size) == 0;
}

#define SAYS(fd, text) says(fd, text, sizeof(text))

/* Until the client is gone. */
static bool sees_end(int fd)
{
        char c;

        return read(fd, &c, 1) <= 0;
}

static int script_calls(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{}}") &&
                 SAYS(fd, "{\"parameters\":{\"a\":1}}") &&
                 hears(fd, "{\"method\":\"t.B\",\"parameters\":{\"b\":\"\u00e4\"}}") &&
                 SAYS(fd, "{}") && hears(fd, "{\"method\":\"t.C\",\"parameters\":{}}") &&
                 SAYS(fd, "{\"parameters\":null,\"continues\":false}") &&
                 hears(fd, "{\"method\":\"t.D\",\"parameters\":{}}") &&
                 SAYS(fd, "{\"error\":\"io.cvmd.Manager.NoSuchCvm\",\"parameters\":"
                          "{\"name\":\"web\"}}") &&
                 hears(fd, "{\"method\":\"t.E\",\"parameters\":{}}") &&
                 SAYS(fd, "{\"error\":\"x.y.Z\"}") && sees_end(fd));
}

static void test_calls(void **state)
{
        Peer p = peer_start(script_calls);
        _cleanup_json_ json_object *a = NULL, *b = NULL, *none = NULL;

        assert_int_equal(wire_client_call(p.client, "t.A", NULL, NULL, 0, &a, &p.error), 0);
        assert_int_equal(json_member_int(a, "a", 0), 1);
        assert_int_equal(wire_client_call(p.client, "t.B",
                                          json_build("b", json_object_new_string("\u00e4"), NULL),
                                          NULL, 0, &b, &p.error),
                         0);
        assert_string_equal(json_text(b), "{}");
        assert_int_equal(wire_client_call(p.client, "t.C", NULL, NULL, 0, NULL, &p.error), 0);

        assert_int_equal(wire_client_call(p.client, "t.D", NULL, NULL, 0, &none, &p.error),
                         -ENOENT);
        assert_int_equal(p.error.id, CVM_ERROR_NO_SUCH_CVM);
        assert_string_equal(json_member_string(p.error.fields, "name"), "web");
        cvm_error_done(&p.error);
        assert_int_equal(wire_client_call(p.client, "t.E", NULL, NULL, 0, &none, &p.error),
                         -EPROTO);
        assert_int_equal(p.error.id, CVM_ERROR_OTHER);
        assert_string_equal(p.error.name, "x.y.Z");
        assert_null(none);
        peer_stop(&p);
}

static int script_stream(int fd)
{
        if (!hears(fd, "{\"method\":\"t.A\",\"parameters\":{},\"more\":true}"))
                return 1;
        /* in pieces, then two at once */
        for (const char *c = "{\"parameters\":{\"n\":1},\"continues\":true}"; *c; c++)
                if (!says(fd, c, 1))
                        return 2;
        return !(
                says(fd, "", 1) &&
                SAYS(fd,
                     "{\"parameters\":{\"n\":2},\"continues\":true}\0{\"parameters\":{\"n\":3}}") &&
                hears(fd, "{\"method\":\"t.B\",\"parameters\":{},\"more\":true}") &&
                SAYS(fd,
                     "{\"error\":\"org.varlink.service.PermissionDenied\",\"parameters\":{}}") &&
                sees_end(fd));
}

static void test_stream(void **state)
{
        Peer p = peer_start(script_stream);

        assert_int_equal(wire_client_begin(p.client, "t.A", NULL, NULL, 0, &p.error), 0);
        for (int i = 1; i <= 3; i++) {
                _cleanup_json_ json_object *reply = NULL;

                /* one call at a time */
                assert_int_equal(wire_client_call(p.client, "t.X", NULL, NULL, 0, NULL, &p.error),
                                 -EBUSY);
                cvm_error_done(&p.error);
                assert_int_equal(wire_client_next(p.client, &reply, &p.error), i < 3);
                assert_int_equal(json_member_int(reply, "n", 0), i);
        }
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), -ENOTCONN);
        cvm_error_done(&p.error);
        assert_int_equal(wire_client_begin(p.client, "t.B", NULL, NULL, 0, &p.error), 0);
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), -EACCES);
        assert_int_equal(p.error.id, CVM_ERROR_PERMISSION_DENIED);
        peer_stop(&p);
}

static int script_two_at_once(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{},\"more\":true}") &&
                 SAYS(fd, "{\"parameters\":{},\"continues\":true}\0{\"parameters\":{}}") &&
                 sees_end(fd));
}

/* Who waits by poll(2) must know of what has been read already. */
static void test_has_reply(void **state)
{
        Peer p = peer_start(script_two_at_once);

        assert_int_equal(wire_client_begin(p.client, "t.A", NULL, NULL, 0, &p.error), 0);
        assert_false(wire_client_has_reply(p.client));
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), 1);
        assert_true(wire_client_has_reply(p.client));
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), 0);
        assert_false(wire_client_has_reply(p.client));
        peer_stop(&p);
}

static int script_upgrade(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{},\"upgrade\":true}") &&
                 SAYS(fd, "{\"parameters\":{}}\0raw") && hears(fd, "back") && sees_end(fd));
}

static void test_upgrade(void **state)
{
        Peer p = peer_start(script_upgrade);
        _cleanup_free_ char *early = NULL;
        size_t n_early = 0;
        char rest[4];
        int fd;

        assert_int_equal(
                wire_client_upgrade(p.client, "t.A", NULL, &fd, &early, &n_early, &p.error), 0);
        assert_int_equal(wire_client_fd(p.client), -1);
        if (n_early < 4) {
                fcntl(fd, F_SETFL, 0);
                assert_int_equal(read(fd, rest, 4 - n_early), 4 - n_early);
        } else {
                assert_memory_equal(early, "raw", 4);
        }
        assert_int_equal(write(fd, "back", 5), 5);
        close(fd);
        assert_int_equal(wire_client_call(p.client, "t.X", NULL, NULL, 0, NULL, &p.error),
                         -ENOTCONN);
        peer_stop(&p);
}

static int script_fds(int fd)
{
        char buffer[4096], control[CMSG_SPACE(4 * sizeof(int))] __attribute__((aligned(8)));
        struct iovec iov = {buffer, 1}; /* with the first byte */
        struct msghdr msg = {.msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
        struct cmsghdr *c;
        int got[2];

        if (recvmsg(fd, &msg, 0) != 1 || buffer[0] != '{')
                return 1;
        c = CMSG_FIRSTHDR(&msg);
        if (!c || c->cmsg_type != SCM_RIGHTS || c->cmsg_len != CMSG_LEN(sizeof(got)))
                return 2;
        memcpy(got, CMSG_DATA(c), sizeof(got));
        if (read(got[1], buffer, 5) != 5 || memcmp(buffer, "hello", 5) != 0)
                return 3;
        return !(hears(fd, "\"method\":\"t.A\",\"parameters\":{\"fd\":1}}") && SAYS(fd, "{}") &&
                 sees_end(fd));
}

static void test_fds(void **state)
{
        Peer p = peer_start(script_fds);
        int fds[2] = {open("/dev/null", O_RDONLY | O_CLOEXEC),
                      memfd_from_bytes("hello", "hello", 5)};

        assert_int_equal(lseek(fds[1], 0, SEEK_SET), 0);
        assert_int_equal(wire_client_call(p.client, "t.A",
                                          json_build("fd", json_object_new_int(1), NULL), fds, 2,
                                          NULL, &p.error),
                         0);
        close(fds[0]);
        close(fds[1]);
        peer_stop(&p);
}

static const char *bad_reply;
static size_t bad_size;

static int script_bad(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{}}") &&
                 says(fd, bad_reply, bad_size) && sees_end(fd));
}

static void test_bad_replies(void **state)
{
        static const struct {
                const char *data;
                size_t size;
        } cases[] = {
#define BYTES(s) {s, sizeof(s)}
                BYTES(""),
                BYTES("noise"),
                BYTES("[]"),
                BYTES("{\"parameters\":[]}"),
                BYTES("{\"error\":1}"),
                BYTES("{\"error\":\"\"}"),
                BYTES("{\"error\":\"nodot\"}"),
                BYTES("{\"error\":\"a.B\\u001b[1m\"}"),
                BYTES("{\"x\":1}"),
                BYTES("{\"continues\":1}"),
                BYTES("{\"continues\":true}"),
                BYTES("{\"error\":\"a.B\",\"continues\":true}"),
#undef BYTES
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                Peer p;

                bad_reply = cases[i].data;
                bad_size = cases[i].size;
                p = peer_start(script_bad);
                assert_int_equal(wire_client_call(p.client, "t.A", NULL, NULL, 0, NULL, &p.error),
                                 -EBADMSG);
                assert_int_equal(p.error.id, CVM_ERROR_SYSTEM);
                cvm_error_done(&p.error);
                /* the connection is not used again */
                assert_int_equal(wire_client_call(p.client, "t.A", NULL, NULL, 0, NULL, &p.error),
                                 -ENOTCONN);
                peer_stop(&p);
        }
}

static int script_error_continued(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{},\"more\":true}") &&
                 SAYS(fd, "{\"error\":\"a.B\",\"continues\":true}") && sees_end(fd));
}

static void test_error_continued(void **state)
{
        Peer p = peer_start(script_error_continued);

        assert_int_equal(wire_client_begin(p.client, "t.A", NULL, NULL, 0, &p.error), 0);
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), -EBADMSG);
        peer_stop(&p);
}

static int script_leave(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{}}") && says(fd, "{\"par", 5));
}

static void test_peer_leaves(void **state)
{
        Peer p = peer_start(script_leave);

        assert_int_equal(wire_client_call(p.client, "t.A", NULL, NULL, 0, NULL, &p.error),
                         -ECONNRESET);
        assert_int_equal(p.error.id, CVM_ERROR_SYSTEM);
        peer_stop(&p);
}

static int script_flood(int fd)
{
        static char block[1 << 20];

        if (!hears(fd, "{\"method\":\"t.A\",\"parameters\":{}}"))
                return 1;
        memset(block, ' ', sizeof(block));
        signal(SIGPIPE, SIG_IGN);
        while (says(fd, block, sizeof(block)))
                ;
        return 0;
}

static void test_too_big(void **state)
{
        Peer p = peer_start(script_flood);

        assert_int_equal(wire_client_call(p.client, "t.A", NULL, NULL, 0, NULL, &p.error),
                         -EMSGSIZE);
        peer_stop(&p);
}

static int script_silent(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{},\"more\":true}") && sees_end(fd));
}

static void test_timeout(void **state)
{
        Peer p = peer_start(script_silent);
        int64_t start = test_now_msec();

        wire_client_set_timeout(p.client, 50);
        assert_int_equal(wire_client_begin(p.client, "t.A", NULL, NULL, 0, &p.error), 0);
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), -ETIMEDOUT);
        assert_true(test_now_msec() - start >= 49);
        peer_stop(&p);
}

static int script_slow(int fd)
{
        return !(hears(fd, "{\"method\":\"t.A\",\"parameters\":{},\"more\":true}") &&
                 SAYS(fd, "{\"continues\":true}") && hears(fd, "go") &&
                 SAYS(fd, "{\"parameters\":{\"n\":2}}") && sees_end(fd));
}

static void on_alarm(int signal)
{
}

/* A signal ends the wait, not the call. */
static void test_signal(void **state)
{
        struct sigaction action = {.sa_handler = on_alarm}, old;
        struct itimerval soon = {.it_value.tv_usec = 20000};
        _cleanup_json_ json_object *reply = NULL;
        Peer p = peer_start(script_slow);

        assert_int_equal(sigaction(SIGALRM, &action, &old), 0);
        assert_int_equal(wire_client_begin(p.client, "t.A", NULL, NULL, 0, &p.error), 0);
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), 1);
        assert_int_equal(setitimer(ITIMER_REAL, &soon, NULL), 0);
        assert_int_equal(wire_client_next(p.client, NULL, &p.error), -EINTR);
        assert_false(cvm_error_is_set(&p.error));
        assert_int_equal(write(wire_client_fd(p.client), "go", 3), 3);
        assert_int_equal(wire_client_next(p.client, &reply, &p.error), 0);
        assert_int_equal(json_member_int(reply, "n", 0), 2);
        assert_int_equal(sigaction(SIGALRM, &old, NULL), 0);
        peer_stop(&p);
}

static int script_big(int fd)
{
        size_t n = 0;
        char c;

        while (read(fd, &c, 1) == 1 && c)
                n++;
        return !(n > 900000 && SAYS(fd, "{}") && sees_end(fd));
}

/* A call larger than the socket's buffer. */
static void test_big_call(void **state)
{
        Peer p = peer_start(script_big);
        static char block[900001];

        memset(block, 'x', sizeof(block) - 1);
        assert_int_equal(wire_client_call(p.client, "t.A",
                                          json_build("x", json_object_new_string(block), NULL),
                                          NULL, 0, NULL, &p.error),
                         0);
        peer_stop(&p);
}

static int script_refuses_early(int fd)
{
        static const char reply[] =
                "{\"error\":\"io.cvmd.Manager.QuotaExceeded\",\"parameters\":{\"resource\":\"x\","
                "\"limit\":1,\"used\":0,\"requested\":2}}";
        char some[100];

        return !(read(fd, some, sizeof(some)) > 0 && says(fd, reply, sizeof(reply)));
}

/* The reason of a peer that closes the connection before the call has ended. */
static void test_refused_early(void **state)
{
        Peer p = peer_start(script_refuses_early);
        static char block[900001];

        memset(block, 'x', sizeof(block) - 1);
        assert_true(wire_client_call(p.client, "t.A",
                                     json_build("x", json_object_new_string(block), NULL), NULL, 0,
                                     NULL, &p.error) < 0);
        assert_string_equal(p.error.name, "io.cvmd.Manager.QuotaExceeded");
        peer_stop(&p);
}

static void test_connect_fails(void **state)
{
        CvmError error = {};
        WireClient *client = NULL;
        char longer[200];

        assert_int_equal(wire_client_connect("/nowhere/socket", &client, &error), -ENOENT);
        assert_int_equal(error.id, CVM_ERROR_SYSTEM);
        cvm_error_done(&error);
        assert_int_equal(wire_client_connect("/dev/null", &client, &error), -ECONNREFUSED);
        cvm_error_done(&error);
        memset(longer, 'x', sizeof(longer));
        longer[108] = 0;
        assert_int_equal(wire_client_connect(longer, &client, &error), -ENAMETOOLONG);
        cvm_error_done(&error);
        assert_null(client);
        assert_null(wire_client_free(NULL));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_calls),
                cmocka_unit_test(test_stream),
                cmocka_unit_test(test_has_reply),
                cmocka_unit_test(test_upgrade),
                cmocka_unit_test(test_fds),
                cmocka_unit_test(test_bad_replies),
                cmocka_unit_test(test_error_continued),
                cmocka_unit_test(test_peer_leaves),
                cmocka_unit_test(test_too_big),
                cmocka_unit_test(test_timeout),
                cmocka_unit_test(test_signal),
                cmocka_unit_test(test_big_call),
                cmocka_unit_test(test_refused_early),
                cmocka_unit_test(test_connect_fails),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
