/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Environment files: by cases, and against systemd's own reader over random files. The library that
 * has it is private to systemd; where it is not installed, that part is skipped.
 */
#include "test.h"

#include <dlfcn.h>
#include <glob.h>
#include <sys/mman.h>
#include <unistd.h>

#include "../../cli/env_file.h"
#include "base/assignments.h"
#include "base/json.h"

/* Files of one assignment or more; what A is. */
static void test_values(void **state)
{
        static const struct {
                const char *text, *value;
        } cases[] = {
                {"A=1\n", "1"},
                {"A=1", "1"},
                {"A=\n", ""},
                {"A=1\nA=2\n", "2"},
                {"A=1\nA=\n", ""},
                {" A \t= 1 \t\n", "1"},
                {"A=1\r\nB=2\r\n", "1"},
                {"A=1\rB=2", "1"},
                {"A='it'\"'\"'s'\n", "it's"},
                {"A=\"x\"\"y\"\n", "xy"},
                {"A=\"val #space\"#bla\n", "val #space#bla"},
                {"A=\"1\" # x\n", "1# x"},
                {"A='a' 'b'\tc 'd'\n", "abc 'd'"},
                {"A=' a '\n", " a "},
                {"A=' a ' b \n", " a b"},
                {"A=x\"y\"\n", "x\"y\""},
                {"A=a\\\nb\n", "ab"},
                {"A=a \\\n b \n", "a  b"},
                {"A=a \\\n", "a "},
                {"A=a\\ \n", "a "},
                {"A=a\\", "a"},
                {"A=\\'x\\'\n", "'x'"},
                {"A=\"a\\\nb\\n\\\"\\$\\`\\\\\"\n", "ab\\n\"$`\\"},
                {"A='a\\\nb'\n", "a\\\nb"},
                {"A=\"a\nb\"\n", "a\nb"},
                {"A={\"k\": [1, \"v\"]}\n", "{\"k\": [1, \"v\"]}"},
                {"A=$HOME `id`\n", "$HOME `id`"},
                {"# x\\\n; y\nA=1\n", "1"},
                {"# x\\\n\nA=1\n", "1"},
                {"# x\\\\\nA=1\n", "1"},
                {"# x\\\r\nA=1\n", "1"},
                {"# \xe9\nA=1\n", "1"}, /* Latin-1 in a comment */
                {"A=\xc3\xa4\n", "\xc3\xa4"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *into = json_object_new_object();
                EnvFileError error = {};

                if (env_file_parse(cases[i].text, strlen(cases[i].text), into, &error) < 0)
                        fail_msg("%s: %u: %s", cases[i].text, error.line, error.reason);
                assert_string_equal(json_member_string(into, "A"), cases[i].value);
        }
}

#define NO_EQUALS "neither KEY=VALUE"
#define NO_NAME "is not a valid variable name"
#define OPEN_QUOTE "not closed"
#define NO_UTF8 "not valid UTF-8"
#define COMMENT "systemd before 254"

static void test_refusals(void **state)
{
        static const struct {
                const char *text;
                unsigned line;
                const char *reason;
        } cases[] = {
                {"A", 1, NO_EQUALS},
                {"A=1\n\nnonsense\n", 3, NO_EQUALS},
                {"A=1\r\n\r\nnonsense\r\n", 3, NO_EQUALS},
                {"A='1\n2'\nx\n", 3, NO_EQUALS},
                {"=1\n", 1, NO_EQUALS}, /* the first '=' is of the key */
                {"==1\n", 1, NO_NAME},
                {"A-B=1\n", 1, NO_NAME},
                {"1A=1\n", 1, NO_NAME},
                {"export A=1\n", 1, NO_NAME},
                {"A=\\\n1\n\xc3\xa4=2\n", 3, NO_NAME},
                {"A=1\nB=\"2\n\n", 2, OPEN_QUOTE},
                {"A='", 1, OPEN_QUOTE},
                {"A='1' \"", 1, OPEN_QUOTE},
                {"A=\"\\", 1, OPEN_QUOTE},
                {"B=1\nA=\xff\n", 2, NO_UTF8},
                {"# x\\\nA=1\n", 2, COMMENT},
                {"A=1\n; x\\\n  # y\\\n  B=1\n", 4, COMMENT},
                {"\xef\xbb\xbf"
                 "A=1\n",
                 1, "byte order mark"},
                {"\xef\xbb\xbf# x\n", 1, "byte order mark"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *into = json_object_new_object();
                EnvFileError error = {};

                if (env_file_parse(cases[i].text, strlen(cases[i].text), into, &error) != -EBADMSG)
                        fail_msg("accepted: %s", cases[i].text);
                if (error.line != cases[i].line || !strstr(error.reason, cases[i].reason))
                        fail_msg("%s: %u: %s", cases[i].text, error.line, error.reason);
        }
}

static void test_nul(void **state)
{
        _cleanup_json_ json_object *into = json_object_new_object();
        EnvFileError error = {};

        assert_int_equal(env_file_parse("A=1\nB=2\0\n", 9, into, &error), -EBADMSG);
        assert_int_equal(error.line, 2);
        assert_non_null(strstr(error.reason, "NUL"));
        assert_int_equal(env_file_parse(NULL, 0, into, &error), 0);
}

/* systemd's reader: "KEY=VALUE" each, the last one of a key; the names are not checked. */
typedef int (*LoadEnvFile)(FILE *file, const char *path, char ***ret);

static LoadEnvFile find_systemd(void)
{
        static const char *const patterns[] = {"/usr/lib/*/systemd/libsystemd-shared-*.so",
                                               "/usr/lib*/systemd/libsystemd-shared-*.so",
                                               "/lib/systemd/libsystemd-shared-*.so"};
        LoadEnvFile found = NULL;

        for (size_t i = 0; !found && i < ARRAY_SIZE(patterns); i++) {
                glob_t paths = {};
                void *library = NULL, (*set_level)(int);

                if (glob(patterns[i], 0, NULL, &paths) == 0)
                        library = dlopen(paths.gl_pathv[0], RTLD_NOW | RTLD_LOCAL);
                globfree(&paths);
                if (!library)
                        continue;
                *(void **)&found = dlsym(library, "load_env_file");
                *(void **)&set_level = dlsym(library, "log_set_max_level");
                if (set_level)
                        set_level(0); /* it warns of what is not UTF-8 */
        }
        return found;
}

/* What systemd has of the text: an object of strings; NULL if it refuses it. */
static json_object *by_systemd(LoadEnvFile load, const char *text, size_t size)
{
        json_object *object = json_object_new_object();
        char **assignments = NULL, path[64];
        int fd = memfd_create("env", MFD_CLOEXEC), r;

        assert_true(fd >= 0);
        assert_int_equal(write(fd, text, size), size);
        snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
        r = load(NULL, path, &assignments);
        close(fd);
        for (char **p = assignments; r >= 0 && p && *p; p++) {
                char *equals = strchr(*p + 1, '='); /* a key may begin with one */

                assert_non_null(equals);
                *equals = 0;
                json_object_object_add(object, *p, json_object_new_string(equals + 1));
        }
        for (char **p = assignments; r >= 0 && p && *p; p++)
                free(*p);
        if (r >= 0) {
                free(assignments);
                return object;
        }
        json_object_put(object);
        return NULL;
}

static bool has_bad_name(json_object *object)
{
        json_object_object_foreach (object, name, value) {
                (void)value;
                if (!*name || (*name >= '0' && *name <= '9') ||
                    name[strspn(name, "_ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
                                      "0123456789")])
                        return true;
        }
        return false;
}

static bool is_same(json_object *a, json_object *b)
{
        return a && b && json_object_equal(a, b);
}

/* A text without the line `number`, or up to its end. */
static void without_line(Buffer *ret, const Buffer *text, unsigned number)
{
        unsigned line = 1;

        for (size_t i = 0; i < text->size; i++) {
                if (line != number)
                        assert_int_equal(buffer_append(ret, text->data + i, 1), 0);
                line += text->data[i] == '\n';
        }
}

static int collect(void *userdata, unsigned line, const char *name, size_t size, Buffer *value)
{
        _cleanup_free_ char *copy = strndup(name, size);

        json_object_object_add(userdata, copy, json_object_new_string(value->data ?: ""));
        return 0;
}

static int meet_comment(void *userdata, unsigned line, AssignmentsFault fault)
{
        return fault == ASSIGNMENTS_COMMENT ? -ENOTSUP : 0;
}

/* What the guest's agent uses too: it goes on as systemd does. */
static void compare_reading(json_object *expected, const Buffer *text)
{
        static const AssignmentsSink sink = {collect, meet_comment};
        _cleanup_json_ json_object *found = json_object_new_object();
        int r = assignments_read(text->data, text->size, &sink, found);

        if (r == -ENOTSUP || !expected) /* its versions differ; or the text is not UTF-8 */
                return;
        assert_int_equal(r, 0);
        if (!is_same(found, expected))
                fail_msg("%s\n%s\n%s", text->data, json_text(found), json_text(expected));
}

/* A refusal is right if systemd leaves out what it is about. */
static void check_refusal(LoadEnvFile load, json_object *expected, const Buffer *text,
                          const EnvFileError *error)
{
        _cleanup_(buffer_done) Buffer other = {};
        _cleanup_json_ json_object *found = NULL;

        if (strstr(error->reason, NO_UTF8)) {
                assert_null(expected);
        } else if (strstr(error->reason, NO_NAME)) {
                assert_true(!expected || has_bad_name(expected));
        } else if (strstr(error->reason, OPEN_QUOTE)) {
                assert_int_equal(buffer_append(&other, text->data, text->size), 0);
                assert_int_equal(buffer_append_text(&other, "\nMORE=1\n"), 0);
                found = by_systemd(load, other.data, other.size);
                assert_true(!found || !json_member(found, "MORE"));
        } else if (strstr(error->reason, NO_EQUALS)) {
                if (memchr(text->data, '\r', text->size))
                        return; /* it ends a line, too */
                without_line(&other, text, error->line);
                found = by_systemd(load, other.data ?: "", other.size);
                assert_true(found ? is_same(found, expected) : !expected);
        } else {
                assert_true(strstr(error->reason, COMMENT) ||
                            strstr(error->reason, "byte order mark"));
        }
}

static const char *pick(const char *const *words, size_t n, unsigned *seed)
{
        return words[(size_t)rand_r(seed) % n];
}

#define PICK(words) pick(words, ARRAY_SIZE(words), seed)

static void random_text(Buffer *text, unsigned *seed)
{
        static const char *const keys[] = {"A=", "A=", "B=", "C =", "D= ", " E=", "_f1\t=", "A=\\"};
        static const char *const odd[] = {"x-y=",      "1=",           "=",    "x",
                                          "export A=", "\xc3\xa4=",    "'",    "\\",
                                          "\"A\"=",    "\xef\xbb\xbf", "A\\=", "\xff="};
        static const char *const comments[] = {"#",   ";",      " # x ", "#'",
                                               ";\"", "# \xe9", "#\\",   "#x\\\\"};
        static const char *const words[] = {"a", "b", " ",    "  ", "\t",       "\\", "\\",
                                            "'", "'", "\"",   "\"", "$",        "`",  "=",
                                            "#", ";", "\\\n", "\n", "\xc3\xa4", "{}"};
        static const char *const simple[] = {"a",          "b",  " ",    "\\ ",     "'x y'",
                                             "\"x\\\"y\"", "''", "\"\"", "\"\\$\"", "'\\'",
                                             "=",          "#",  "\\\n", "\\\\"};
        static const char *const ends[] = {"\n",   "\n", "\n",  "\n",  "\r\n",
                                           "\n\n", "\r", " \n", "\\\n"};
        unsigned lines = 1 + (unsigned)rand_r(seed) % 6;

        buffer_done(text);
        while (lines--) {
                unsigned kind = (unsigned)rand_r(seed) % 32, n = (unsigned)rand_r(seed) % 8;

                assert_int_equal(buffer_append_text(text, kind == 0  ? PICK(odd)
                                                          : kind < 4 ? PICK(comments)
                                                                     : PICK(keys)),
                                 0);
                while (n--)
                        assert_int_equal(
                                buffer_append_text(text, kind % 4 ? PICK(simple) : PICK(words)), 0);
                if (rand_r(seed) % 64 == 0)
                        assert_int_equal(buffer_append_text(text, "\xff"), 0);
                if (lines || rand_r(seed) % 4)
                        assert_int_equal(buffer_append_text(text, PICK(ends)), 0);
        }
}

static void test_systemd(void **state)
{
        LoadEnvFile load = find_systemd();
        unsigned seed = 1, accepted = 0, refused = 0;
        _cleanup_(buffer_done) Buffer text = {};

        if (!load) {
                print_message("there is no libsystemd-shared with load_env_file() here\n");
                skip();
        }
        for (unsigned i = 0; i < 20000; i++) {
                _cleanup_json_ json_object *into = json_object_new_object(), *expected = NULL;
                EnvFileError error = {};

                random_text(&text, &seed);
                expected = by_systemd(load, text.data, text.size);
                compare_reading(expected, &text);
                if (env_file_parse(text.data, text.size, into, &error) < 0) {
                        check_refusal(load, expected, &text, &error);
                        refused++;
                        continue;
                }
                accepted++;
                if (!is_same(into, expected) || has_bad_name(expected))
                        fail_msg("%s\n%s\n%s", text.data, json_text(into), json_text(expected));
        }
        if (accepted < 5000 || refused < 2000)
                fail_msg("%u accepted, %u refused: the files are one-sided", accepted, refused);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_refusals),
                cmocka_unit_test(test_nul),
                cmocka_unit_test(test_systemd),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
