/* SPDX-License-Identifier: Apache-2.0 */
/* The QMP client against a scripted peer on the other end of a socketpair. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>
#include <sys/socket.h>

#include "base/json.h"
#include "base/text.h"
#include "qmp/qmp.h"

#define GREETING                                                                                   \
        "{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}, "         \
        "\"package\": \"Debian\"}, \"capabilities\": [\"oob\"]}}\r\n"
#define NEGOTIATED "{\"return\": {}, \"id\": 1}\r\n"
#define STAMP "\"timestamp\": {\"seconds\": 1700000000, \"microseconds\": 12}"

/* What a callback does besides taking notes. */
typedef enum Act { ACT_NOTHING, ACT_CLOSE, ACT_FORGET, ACT_EXECUTE } Act;

typedef struct Scene {
        uv_loop_t loop;
        QmpClient *client; /* NULL once closed or forgotten */
        int peer;
        Buffer notes; /* a line a callback */
        Act on_ready, on_event, on_reply, on_closed;
        unsigned n_fds; /* open before the scene */
        bool inside;    /* a call of new or execute is on the stack */
} Scene;

/* The scene of a client is its userdata; that of a reply is found here to leave that for a name. */
static Scene *current;

static unsigned count_fds(void)
{
        DIR *dir = opendir("/proc/self/fd");
        unsigned n = 0;

        assert_non_null(dir);
        while (readdir(dir))
                n++;
        closedir(dir);
        return n;
}

static void note(const char *format, ...) _printf_(1, 2);
static void note(const char *format, ...)
{
        char line[512];
        va_list ap;

        assert_false(current->inside);
        va_start(ap, format);
        vsnprintf(line, sizeof(line), format, ap);
        va_end(ap);
        assert_int_equal(buffer_appendf(&current->notes, "%s\n", line), 0);
}

static void on_reply(QmpClient *client, json_object *result, const char *error_class,
                     const char *error_text, void *userdata);

static int execute(const char *command, json_object *arguments)
{
        int r;

        current->inside = true;
        r = qmp_client_execute(current->client, command, arguments, on_reply, (void *)command);
        current->inside = false;
        return r;
}

static void act(QmpClient *client, Act what)
{
        if (what == ACT_CLOSE) {
                qmp_client_close(client);
                qmp_client_close(client);
        } else if (what == ACT_FORGET) {
                qmp_client_forget(client);
                current->client = NULL;
        } else if (what == ACT_EXECUTE) {
                int r = execute("nested", NULL);

                if (r < 0)
                        note("nested %d", r);
        }
}

static void on_reply(QmpClient *client, json_object *result, const char *error_class,
                     const char *error_text, void *userdata)
{
        if (result) {
                assert_null(error_class);
                assert_null(error_text);
                note("%s = %s", (char *)userdata, json_text(result));
        } else {
                note("%s ! %s: %s", (char *)userdata, error_class, error_text);
        }
        act(client, current->on_reply);
}

static void on_ready(QmpClient *client, const char *version, void *userdata)
{
        assert_ptr_equal(userdata, current);
        note("ready %s", version);
        act(client, current->on_ready);
}

static void on_event(QmpClient *client, const char *name, json_object *data, void *userdata)
{
        assert_ptr_equal(userdata, current);
        note("event %s %s", name, json_text(data));
        act(client, current->on_event);
}

static void on_closed(QmpClient *client, const char *reason, bool broken, void *userdata)
{
        assert_ptr_equal(userdata, current);
        assert_ptr_equal(client, current->client);
        note("%s %s", broken ? "broken" : "closed", reason);
        act(client, current->on_closed);
        current->client = NULL;
}

static const QmpCallbacks callbacks = {on_ready, on_event, on_closed};

static int set_up(void **state)
{
        Scene *scene = test_calloc(1, sizeof(Scene));
        int fds[2];

        current = scene;
        /* libuv keeps a pipe for signals open from the first loop on */
        assert_int_equal(uv_loop_init(&scene->loop), 0);
        assert_int_equal(uv_loop_close(&scene->loop), 0);
        scene->n_fds = count_fds();
        assert_int_equal(uv_loop_init(&scene->loop), 0);
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, fds), 0);
        assert_int_equal(fcntl(fds[1], F_SETFL, O_NONBLOCK), 0);
        scene->peer = fds[1];
        scene->inside = true;
        assert_int_equal(qmp_client_new(&scene->loop, fds[0], &callbacks, scene, &scene->client),
                         0);
        scene->inside = false;
        *state = scene;
        return 0;
}

/* Lets the client do all that it can. */
static void spin(Scene *scene)
{
        for (unsigned i = 0; i < 8; i++)
                uv_run(&scene->loop, UV_RUN_NOWAIT);
}

static void hang_up(Scene *scene)
{
        if (scene->peer >= 0)
                close(scene->peer);
        scene->peer = -1;
        spin(scene);
}

/* Every test ends here: nothing is left. */
static int tear_down(void **state)
{
        Scene *scene = *state;

        hang_up(scene);
        assert_null(scene->client);
        uv_run(&scene->loop, UV_RUN_DEFAULT);
        assert_int_equal(uv_loop_close(&scene->loop), 0);
        assert_int_equal(count_fds(), scene->n_fds);
        buffer_done(&scene->notes);
        test_free(scene);
        return 0;
}

static void feed_bytes(Scene *scene, const char *data, size_t size)
{
        while (size > 0) {
                ssize_t n = send(scene->peer, data, size, MSG_NOSIGNAL);

                if (n < 0 && errno == EPIPE)
                        return; /* the client has hung up on us */
                if (n < 0)
                        assert_int_equal(errno, EAGAIN);
                else
                        data += n, size -= (size_t)n;
                uv_run(&scene->loop, UV_RUN_NOWAIT);
        }
        spin(scene);
}

static void feed(Scene *scene, const char *text)
{
        feed_bytes(scene, text, strlen(text));
}

/* What the client has sent since the last look. */
static void expect_sent(Scene *scene, const char *expected)
{
        char bytes[4096];
        ssize_t n;

        spin(scene);
        n = recv(scene->peer, bytes, sizeof(bytes) - 1, 0);
        bytes[n > 0 ? n : 0] = 0;
        assert_string_equal(bytes, expected);
}

/* What the callbacks have noted since the last look. */
static void expect_notes(Scene *scene, const char *expected)
{
        _cleanup_free_ char *notes = buffer_take(&scene->notes);

        assert_string_equal(notes, expected);
}

static void shake_hands(Scene *scene)
{
        feed(scene, GREETING);
        expect_sent(scene, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
        feed(scene, NEGOTIATED);
        expect_notes(scene, "ready 7.2.22\n");
}

/* What a peer had said before it went is heard by who saw it go first. */
static void test_finish(void **state)
{
        Scene *scene = *state;
        const char *last = "{" STAMP ", \"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n"
                           "{\"return\": {}, \"id\": 2}\n";

        shake_hands(scene);
        assert_int_equal(execute("quit", NULL), 0);
        expect_sent(scene, "{\"execute\":\"quit\",\"id\":2}\n");
        assert_int_equal(send(scene->peer, last, strlen(last), 0), (ssize_t)strlen(last));
        close(TAKE_FD(scene->peer));
        qmp_client_finish(scene->client);
        expect_notes(scene, "event SHUTDOWN {\"guest\":true}\nquit = {}\n");
        qmp_client_finish(scene->client);
        spin(scene);
        expect_notes(scene, "closed end of file\n");
        qmp_client_finish(NULL);
}

static void test_normal(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("cont", NULL), 0);
        assert_int_equal(
                execute("qom-get", json_build("path", json_object_new_string("/a/b"), NULL)), 0);
        expect_sent(scene,
                    "{\"execute\":\"cont\",\"id\":2}\n"
                    "{\"execute\":\"qom-get\",\"arguments\":{\"path\":\"/a/b\"},\"id\":3}\n");
        feed(scene, "{" STAMP ", \"event\": \"RESUME\"}\r\n{\"return\": {}, \"id\": 2}\r\n");
        feed(scene, "{\"id\": 3, \"return\": \"x\"}\n");
        expect_notes(scene, "event RESUME {}\ncont = {}\nqom-get = \"x\"\n");
        hang_up(scene);
        expect_notes(scene, "closed end of file\n");
}

static void test_queued_before_ready(void **state)
{
        Scene *scene = *state;

        assert_int_equal(execute("query-status", NULL), 0);
        expect_sent(scene, "");
        feed(scene, GREETING);
        expect_sent(scene, "{\"execute\":\"qmp_capabilities\",\"id\":1}\n");
        assert_int_equal(execute("cont", NULL), 0);
        expect_sent(scene, "");
        scene->on_ready = ACT_EXECUTE;
        feed(scene, "{" STAMP ", \"event\": \"STOP\", \"data\": {}}\n" NEGOTIATED);
        expect_sent(scene, "{\"execute\":\"query-status\",\"id\":2}\n"
                           "{\"execute\":\"cont\",\"id\":3}\n"
                           "{\"execute\":\"nested\",\"id\":4}\n");
        expect_notes(scene, "event STOP {}\nready 7.2.22\n");
        hang_up(scene);
        expect_notes(scene, "query-status ! Disconnected: end of file\n"
                            "cont ! Disconnected: end of file\n"
                            "nested ! Disconnected: end of file\n"
                            "closed end of file\n");
}

static void test_out_of_order(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("a", NULL), 0);
        assert_int_equal(execute("b", NULL), 0);
        assert_int_equal(execute("c", NULL), 0);
        feed(scene, "{\"return\": 3, \"id\": 4}\n{\"return\": 1, \"id\": 2}\n");
        feed(scene, "{" STAMP ", \"event\": \"SHUTDOWN\", \"data\": {\"guest\": true}}\n");
        feed(scene, "{\"return\": [2], \"id\": 3}\n");
        expect_notes(scene, "c = 3\na = 1\nevent SHUTDOWN {\"guest\":true}\nb = [2]\n");
        feed(scene, "{\"return\": 1, \"id\": 2}\n");
        expect_notes(scene, "broken a reply with an unknown id\n");
}

static void test_error(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("nope", NULL), 0);
        assert_int_equal(qmp_client_execute(scene->client, "unheard", NULL, NULL, NULL), 0);
        feed(scene, "{\"error\": {\"class\": \"CommandNotFound\", \"desc\": \"The command nope has "
                    "not been found\"}, \"id\": 2}\n{\"error\": {\"class\": \"GenericError\", "
                    "\"desc\": \"\"}, \"id\": 3}\n");
        expect_notes(scene, "nope ! CommandNotFound: The command nope has not been found\n");
        assert_non_null(scene->client);
}

static void test_byte_by_byte(void **state)
{
        static const char text[] = GREETING NEGOTIATED "{" STAMP ", \"event\": \"RESUME\"}\r\n";
        Scene *scene = *state;

        for (const char *p = text; *p; p++)
                feed_bytes(scene, p, 1);
        expect_notes(scene, "ready 7.2.22\nevent RESUME {}\n");
}

/* Each of these ends the connection with the reason; `ready` says whether hands are
 * shaken before. */
static const struct {
        const char *text, *reason;
        bool ready;
} breaches[] = {
        {NEGOTIATED, "a message before the greeting", false},
        {"{" STAMP ", \"event\": \"STOP\"}\n", "a message before the greeting", false},
        {"{\"QMP\": {}}\n", "a malformed greeting", false},
        {"{\"QMP\": 1}\n", "a malformed greeting", false},
        {"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": -1}}, "
         "\"capabilities\": []}}\n",
         "a malformed greeting", false},
        {"{\"QMP\": {\"version\": {\"qemu\": {\"micro\": 22, \"minor\": 2, \"major\": 7}}}}\n",
         "a malformed greeting", false},
        {"SSH-2.0-OpenSSH_9.2\r\n", "a message that is not valid JSON", false},
        {GREETING GREETING, "a second greeting", false},
        {GREETING "{\"return\": {}}\n", "a reply without an id", false},
        {GREETING "{\"return\": {}, \"id\": 2}\n", "a reply with an unknown id", false},
        {GREETING "{\"error\": {\"class\": \"GenericError\", \"desc\": \"no\"}, \"id\": 1}\n",
         "the server refused qmp_capabilities", false},
        {GREETING, "a second greeting", true},
        {NEGOTIATED, "a reply with an unknown id", true},
        {"{\"return\": {}}\n", "a reply without an id", true},
        {"{\"return\": {}, \"id\": \"2\"}\n", "a reply with an unknown id", true},
        {"{\"return\": {}, \"id\": 2.0}\n", "a reply with an unknown id", true},
        {"{\"return\": {}, \"id\": 4294967298}\n", "a reply with an unknown id", true},
        {"{\"return\": null, \"id\": 2}\n", "a malformed reply", true},
        {"{\"error\": {\"class\": \"GenericError\", \"desc\": \"bad JSON\"}}\n",
         "a reply without an id", true},
        {"{\"error\": {\"class\": \"GenericError\"}, \"id\": 2}\n", "a malformed error", true},
        {"{\"error\": \"GenericError\", \"id\": 2}\n", "a malformed error", true},
        {"{\"return\": {}, \"error\": {}, \"id\": 2}\n", "a message of more than one kind", true},
        {"{\"return\": {}, \"id\": 2, \"id\": 2}\n", "a message that is not valid JSON", true},
        {"{\"event\": \"STOP\"}\n", "an event without a timestamp", true},
        {"{\"event\": \"stop it\", " STAMP "}\n", "a malformed event", true},
        {"{\"event\": \"\", " STAMP "}\n", "a malformed event", true},
        {"{\"event\": 7, " STAMP "}\n", "a malformed event", true},
        {"{\"event\": \"A234567890123456789012345678901234567890123456789012345678901234X\", " STAMP
         "}\n",
         "a malformed event", true},
        {"{\"event\": \"STOP\", \"data\": [], " STAMP "}\n", "a malformed event", true},
        {"{}\n", "a message of an unknown kind", true},
        {"[]\n", "a message that is not an object", true},
        {"null\n", "a message that is not an object", true},
        {"\r\n", "a message that is not valid JSON", true},
        {"{\"return\": {}, \"id\": 2} {}\n", "a message that is not valid JSON", true},
        {"{\"return\": \"\xff\", \"id\": 2}\n", "a message that is not valid JSON", true},
};

static void test_breaches(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(breaches); i++) {
                _cleanup_free_ char *expected = NULL;
                void *inner;
                Scene *scene;

                set_up(&inner);
                scene = inner;
                if (breaches[i].ready)
                        shake_hands(scene);
                assert_int_equal(execute("mine", NULL), 0);
                feed(scene, breaches[i].text);
                assert_true(asprintf(&expected, "mine ! Disconnected: %s\nbroken %s\n",
                                     breaches[i].reason, breaches[i].reason) > 0);
                expect_notes(scene, expected);
                tear_down(&inner);
        }
        current = *state;
        hang_up(*state);
        expect_notes(*state, "closed end of file\n");
}

/* An answer of `size` bytes with its line's end left out. */
static char *make_answer(size_t size)
{
        static const char head[] = "{\"id\": 2, \"return\": \"", tail[] = "\"}";
        char *line = test_malloc(size + 1);

        memset(line, 'x', size);
        memcpy(line, head, sizeof(head) - 1);
        memcpy(line + size - (sizeof(tail) - 1), tail, sizeof(tail));
        return line;
}

static void on_long(QmpClient *client, json_object *result, const char *error_class,
                    const char *error_text, void *userdata)
{
        note("length %d", result ? json_object_get_string_len(result) : -1);
}

static void test_longest(void **state)
{
        Scene *scene = *state;
        char *line = make_answer(QMP_MESSAGE_MAX);

        shake_hands(scene);
        assert_int_equal(qmp_client_execute(scene->client, "long", NULL, on_long, NULL), 0);
        feed_bytes(scene, line, QMP_MESSAGE_MAX);
        feed(scene, "\r");
        expect_notes(scene, "");
        feed(scene, "\n");
        test_free(line);
        expect_notes(scene, "length 1048553\n"); /* 2^20 less the 23 bytes around the string */
        feed(scene, "{" STAMP ", \"event\": \"STOP\"}\n");
        expect_notes(scene, "event STOP {}\n");
}

static void test_too_long(void **state)
{
        Scene *scene = *state;
        char *line = make_answer(QMP_MESSAGE_MAX + 1);

        shake_hands(scene);
        assert_int_equal(execute("long", NULL), 0);
        feed_bytes(scene, line, QMP_MESSAGE_MAX + 1);
        feed(scene, "\n");
        test_free(line);
        expect_notes(scene, "long ! Disconnected: a message that is too long\nbroken a message "
                            "that is too long\n");
}

static void test_endless(void **state)
{
        Scene *scene = *state;

        for (unsigned i = 0; i < 3 * QMP_MESSAGE_MAX / 4096 && scene->client; i++) {
                char bytes[4096];

                memset(bytes, '[', sizeof(bytes));
                feed_bytes(scene, bytes, sizeof(bytes));
        }
        expect_notes(scene, "broken a message that is too long\n");
}

static void test_half_message(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("quit", NULL), 0);
        expect_sent(scene, "{\"execute\":\"quit\",\"id\":2}\n");
        feed(scene, "{\"return\": {}, \"id\": 2}");
        expect_notes(scene, "");
        hang_up(scene);
        expect_notes(scene, "quit ! Disconnected: end of file inside a message\n"
                            "closed end of file inside a message\n");
}

/* QEMU's way to go: the answer, an event, and the end, with a later command of ours unread. */
static void test_answer_before_reset(void **state)
{
        Scene *scene = *state;
        static const char last[] =
                "{\"return\": {}, \"id\": 2}\r\n{" STAMP ", \"event\": \"SHUTDOWN\"}\r\n";

        shake_hands(scene);
        assert_int_equal(execute("quit", NULL), 0);
        expect_sent(scene, "{\"execute\":\"quit\",\"id\":2}\n");
        assert_int_equal(execute("query-status", NULL), 0);
        spin(scene);
        assert_int_equal(write(scene->peer, last, sizeof(last) - 1), sizeof(last) - 1);
        hang_up(scene);
        expect_notes(scene, "quit = {}\nevent SHUTDOWN {}\n"
                            "query-status ! Disconnected: connection reset by peer\n"
                            "closed connection reset by peer\n");
}

static void test_never_greets(void **state)
{
        Scene *scene = *state;

        assert_int_equal(execute("query-status", NULL), 0);
        spin(scene);
        expect_notes(scene, "");
        qmp_client_close(scene->client);
        expect_notes(scene, ""); /* only from the loop */
        assert_int_equal(execute("late", NULL), -ENOTCONN);
        assert_int_equal(execute("late", json_object_new_object()), -ENOTCONN);
        spin(scene);
        expect_notes(scene, "query-status ! Disconnected: closed\nclosed closed\n");
}

static void test_close_in_callbacks(void **state)
{
        for (unsigned i = 0; i < 3; i++) {
                void *inner;
                Scene *scene;

                set_up(&inner);
                scene = inner;
                scene->on_ready = i == 0 ? ACT_CLOSE : ACT_NOTHING;
                scene->on_event = i == 1 ? ACT_CLOSE : ACT_NOTHING;
                scene->on_reply = i == 2 ? ACT_CLOSE : ACT_NOTHING;
                scene->on_closed = ACT_CLOSE;
                assert_int_equal(execute("a", NULL), 0);
                assert_int_equal(execute("b", NULL), 0);
                feed(scene, GREETING NEGOTIATED "{" STAMP ", \"event\": \"STOP\"}\n"
                                                "{\"return\": 1, \"id\": 2}\n"
                                                "{\"return\": 2, \"id\": 3}\n");
                expect_notes(scene, i == 0   ? "ready 7.2.22\na ! Disconnected: closed\n"
                                               "b ! Disconnected: closed\nclosed closed\n"
                                    : i == 1 ? "ready 7.2.22\nevent STOP {}\n"
                                               "a ! Disconnected: closed\n"
                                               "b ! Disconnected: closed\nclosed closed\n"
                                             : "ready 7.2.22\nevent STOP {}\na = 1\n"
                                               "b ! Disconnected: closed\nclosed closed\n");
                tear_down(&inner);
        }
        current = *state;
}

static void test_execute_in_last_callbacks(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("a", NULL), 0);
        scene->on_reply = scene->on_closed = ACT_EXECUTE;
        hang_up(scene);
        expect_notes(scene, "a ! Disconnected: end of file\nnested -107\n"
                            "closed end of file\nnested -107\n");
}

static void test_forget(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("a", NULL), 0);
        feed(scene, "{\"return\": 1, ");
        qmp_client_forget(scene->client);
        scene->client = NULL;
        feed(scene, "\"id\": 2}\n");
        expect_notes(scene, "");
}

static void test_forget_in_callbacks(void **state)
{
        Scene *scene = *state;

        shake_hands(scene);
        assert_int_equal(execute("a", NULL), 0);
        assert_int_equal(execute("b", NULL), 0);
        scene->on_reply = ACT_FORGET;
        hang_up(scene);
        expect_notes(scene, "a ! Disconnected: end of file\n");
}

static void test_forget_after_close(void **state)
{
        Scene *scene = *state;

        assert_int_equal(execute("a", NULL), 0);
        qmp_client_close(scene->client);
        qmp_client_forget(scene->client);
        scene->client = NULL;
        spin(scene);
        expect_notes(scene, "");
        qmp_client_close(NULL);
        qmp_client_forget(NULL);
}

static void test_bounds(void **state)
{
        Scene *scene = *state;
        char *text = test_malloc(QMP_OUTPUT_MAX + 2);

        for (unsigned i = 0; i < QMP_PENDING_MAX; i++)
                assert_int_equal(execute("a", NULL), 0);
        assert_int_equal(execute("a", json_object_new_object()), -EBUSY);
        feed(scene, GREETING NEGOTIATED);
        assert_int_equal(execute("a", NULL), -EBUSY);
        feed(scene, "{\"return\": 1, \"id\": 2}\n");
        buffer_done(&scene->notes);

        /* a peer that does not read: what is unsent is bounded too */
        memset(text, 'x', QMP_OUTPUT_MAX + 1);
        text[QMP_OUTPUT_MAX + 1] = 0;
        assert_int_equal(execute("a", json_object_new_string(text)), 0);
        spin(scene);
        feed(scene, "{\"return\": 1, \"id\": 3}\n{\"return\": 1, \"id\": 4}\n");
        assert_int_equal(execute("b", json_object_new_string(text)), 0);
        assert_int_equal(execute("c", NULL), -EBUSY);
        test_free(text);
        qmp_client_forget(scene->client);
        scene->client = NULL;
        spin(scene);
}

static void test_new_refuses_file(void **state)
{
        Scene *scene = *state;
        int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
        QmpClient *client = NULL;

        assert_true(qmp_client_new(&scene->loop, fd, &callbacks, scene, &client) < 0);
        assert_null(client);
        assert_int_equal(close(fd), 0);
}

#define SCENE_TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
        const struct CMUnitTest tests[] = {
                SCENE_TEST(test_normal),
                SCENE_TEST(test_finish),
                SCENE_TEST(test_queued_before_ready),
                SCENE_TEST(test_out_of_order),
                SCENE_TEST(test_error),
                SCENE_TEST(test_byte_by_byte),
                SCENE_TEST(test_breaches),
                SCENE_TEST(test_longest),
                SCENE_TEST(test_too_long),
                SCENE_TEST(test_endless),
                SCENE_TEST(test_half_message),
                SCENE_TEST(test_answer_before_reset),
                SCENE_TEST(test_never_greets),
                SCENE_TEST(test_close_in_callbacks),
                SCENE_TEST(test_execute_in_last_callbacks),
                SCENE_TEST(test_forget),
                SCENE_TEST(test_forget_in_callbacks),
                SCENE_TEST(test_forget_after_close),
                SCENE_TEST(test_bounds),
                SCENE_TEST(test_new_refuses_file),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
