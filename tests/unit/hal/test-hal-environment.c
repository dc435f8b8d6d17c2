/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The guest's reader of EnvironmentFile= syntax: by cases that systemd.exec(5) decides, and against
 * systemd's own reader over random files.
 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/text.h"
#include "base/tree.h"
#include "environment.h"
#include "program.h"

#define SYSTEMD_TMPFILES "/usr/bin/systemd-tmpfiles"

static const char *find(const Environment *environment, const char *name)
{
        for (size_t i = 0; i < environment->n_variables; i++)
                if (strcmp(environment->variables[i].name, name) == 0)
                        return environment->variables[i].value;
        return NULL;
}

/* The value of A in each file; NULL: not set. */
static void test_values(void **state)
{
        static const struct {
                const char *text, *value;
        } cases[] = {
                /* lines and keys */
                {"A=1\n", "1"},
                {"A=1", "1"},
                {"A=1\r\nB=2\r\n", "1"},
                {"A=", ""},
                {"A=\n", ""},
                {"", NULL},
                {"\n\n  \n", NULL},
                {"A\n", NULL},
                {"A", NULL},
                {"  A=1\n", "1"},
                {"\tA \t=1\n", "1"},
                {"#A=1\n", NULL},
                {";A=1\n", NULL},
                {"  # x\nA=1\n", "1"},
                {"#A=2\\\nA=1\n", "1"},
                {"A=1 # no comment\n", "1 # no comment"},
                {"B\nA=1\n", "1"},
                {"=x\nA=1\n", "1"},
                {"=A=1\n", NULL},
                {"export A=1\n", NULL},
                {"A=1\nA=2\n", "2"},
                {"A=1\nA=2\nA=\n", ""},
                {"A=2\nB=x\nA=1\nB=y\n", "1"},
                {"A=a=b=c\n", "a=b=c"},
                /* unquoted */
                {"A=  x  \n", "x"},
                {"A=x \t y\t \n", "x \t y"},
                {"A=x\\ \n", "x "},
                {"A=x \\\n y \n", "x  y"},
                {"A=x\\\ny\n", "xy"},
                {"A=\\\nx\n", "x"},
                {"A=x\\", "x"},
                {"A= \\", ""},
                {"A=x  \\", "x  "},
                {"A=\\a\\\\\\\"\\'\n", "a\\\"'"},
                {"A=x\"y\"'z'\n", "x\"y\"'z'"},
                {"A=$HOME `id` !\n", "$HOME `id` !"},
                /* double quotes */
                {"A=\"x y\"\n", "x y"},
                {"A=\"  x  \"\n", "  x  "},
                {"A=\"x\ny\"\n", "x\ny"},
                {"A=\"x\\\ny\"\n", "xy"},
                {"A=\"\\\"\\\\\\$\\`\"\n", "\"\\$`"},
                {"A=\"\\n\\t\\x41\\'\"\n", "\\n\\t\\x41\\'"},
                {"A=\"it's\"\n", "it's"},
                {"A=\"\"\n", ""},
                {"A=\"x", "x"},
                {"A=\"x\\", "x"},
                {"A=\"x\"  \n", "x"},
                {"A=\"x\" # y\n", "x# y"},
                {"A=\"a=\nB=2\"\n", "a=\nB=2"},
                /* single quotes */
                {"A='x y'\n", "x y"},
                {"A='\\n\\\\ \" $x'\n", "\\n\\\\ \" $x"},
                {"A='x\ny'\n", "x\ny"},
                {"A='x\\\ny'\n", "x\\\ny"},
                {"A='x", "x"},
                /* one after the other */
                {"A='a' \"b\"'c'  d e \n", "abcd e"},
                {"A=\"a \" 'b '\n", "a b "},
                {"A=\"a \"b \n", "a b"},
                {"A='a'\\ \n", "a "},
                {"A=\"a\"b\"c\"\n", "ab\"c\""},
                /* left out */
                {"A=x\x01y\n", NULL},
                {"A=x\x7f\n", NULL},
                {"A=x\x1b[0m\n", NULL},
                {"A=x\ty\n", "x\ty"},
                {"A=\xc3\xa4\xe2\x82\xac\n", "\xc3\xa4\xe2\x82\xac"},
                {"A B=1\nA=2\n", "2"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(environment_done) Environment environment = {};
                const char *value;

                assert_int_equal(
                        environment_parse(cases[i].text, strlen(cases[i].text), &environment), 0);
                value = find(&environment, "A");
                if ((value == NULL) != (cases[i].value == NULL) ||
                    (value && strcmp(value, cases[i].value) != 0))
                        fail_msg("case %zu, %s: found %s", i, cases[i].text, value ?: "none");
        }
}

static void test_names(void **state)
{
        static const char text[] = "_=1\na1_B=2\n1A=3\nA-B=4\nA.B=5\n\xc3\xa4=6\nA B=7\n =8\nZ=9\n";
        _cleanup_(environment_done) Environment environment = {};

        assert_int_equal(environment_parse(text, sizeof(text) - 1, &environment), 0);
        assert_int_equal(environment.n_variables, 3);
        assert_string_equal(environment.variables[0].name, "Z");
        assert_string_equal(environment.variables[1].name, "_");
        assert_string_equal(environment.variables[2].name, "a1_B");
        assert_int_equal(environment.n_dropped, 5);
}

static void test_refused(void **state)
{
        _cleanup_(environment_done) Environment environment = {};

        assert_int_equal(environment_parse("A=1\nB=\0\n", 9, &environment), -EBADMSG);
        assert_int_equal(environment_parse("A=1\nB=\xff\n", 8, &environment), -EBADMSG);
        assert_int_equal(environment_parse("\xc0\xaf=1\n", 5, &environment), -EBADMSG);
        assert_int_equal(environment_parse(NULL, 0, &environment), 0);
        assert_int_equal(environment.n_variables, 0);
}

/* A value of 1 MiB, each byte of it escaped, and as many variables as fill 1 MiB. */
static void test_big(void **state)
{
        size_t size = 1 << 20;
        _cleanup_(environment_done) Environment big = {}, many = {};
        _cleanup_(buffer_done) Buffer text = {}, lines = {};

        assert_int_equal(buffer_append_text(&text, "A=\""), 0);
        for (size_t i = 0; i < size; i++)
                assert_int_equal(buffer_append_text(&text, i % 2 ? "\\\"" : "\n"), 0);
        assert_int_equal(buffer_append_text(&text, "\"\n"), 0);
        assert_int_equal(environment_parse(text.data, text.size, &big), 0);
        assert_int_equal(strlen(find(&big, "A")), size);
        assert_int_equal(find(&big, "A")[size - 1], '"');

        for (unsigned i = 0; lines.size < size; i++)
                assert_int_equal(buffer_appendf(&lines, "V%u=%u\n", i % 50000, i), 0);
        assert_int_equal(environment_parse(lines.data, lines.size, &many), 0);
        assert_int_equal(many.n_variables, 50000);
        assert_int_equal(atoi(find(&many, "V7")) % 50000, 7);
        assert_true(atoi(find(&many, "V7")) >= 50000);
}

static void remove_directory(char **path)
{
        assert_int_equal(tree_remove_at(AT_FDCWD, *path), 0);
        free(*path);
}

static const char *const names[] = {"ID", "VERSION_ID", "VARIANT_ID", "BUILD_ID"};

/* systemd-tmpfiles fills specifiers from an os-release file, which systemd reads with the same code
 * as EnvironmentFile=. */
static void compare_with_systemd(const char *directory, int fd, const char *text)
{
        _cleanup_(environment_done) Environment environment = {};
        _cleanup_free_ char *root = NULL, *config = NULL;

        assert_true(asprintf(&root, "--root=%s", directory) > 0);
        assert_true(asprintf(&config, "%s/config", directory) > 0);
        assert_int_equal(file_write_atomic_at(fd, "etc-os-release", text, strlen(text), 0644), 0);
        program_run((const char *const[]){SYSTEMD_TMPFILES, root, "--create", config, NULL});
        assert_int_equal(environment_parse(text, strlen(text), &environment), 0);
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                const char *value = find(&environment, names[i]);
                _cleanup_free_ char *found = NULL, *expected = NULL;
                char name[2] = {(char)('0' + i), 0};

                assert_int_equal(file_read_at(fd, name, 1 << 20, &found, NULL), 0);
                assert_true(asprintf(&expected, "<%s>", value ?: "") > 0);
                if (strcmp(found, expected) != 0)
                        fail_msg("%s in\n%s\nsystemd %s, found %s", names[i], text, found,
                                 expected);
        }
}

/* Assignments of random texts; '#' and ';' only where no backslash is, since systemd before 254 let
 * a comment go on after one at its line's end, and no '\r', since it makes no environment. */
static char *random_file(unsigned *seed)
{
        const char *alphabet = rand_r(seed) % 4 ? "ab  \t\n\\\\\\\\''\"\"\"$`=" : "ab #;\n'\"=\t";
        Buffer text = {};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                unsigned n = (unsigned)rand_r(seed) % 16;

                assert_int_equal(buffer_appendf(&text, "%s=", names[i]), 0);
                while (n--)
                        assert_int_equal(
                                buffer_append(&text,
                                              alphabet + (size_t)rand_r(seed) % strlen(alphabet),
                                              1),
                                0);
                if (i + 1 < ARRAY_SIZE(names) || rand_r(seed) % 2)
                        assert_int_equal(buffer_append_text(&text, "\n"), 0);
        }
        return buffer_take(&text);
}

static void test_systemd(void **state)
{
        static const char lines[] = "f+ /0 - - - - <%o>\nf+ /1 - - - - <%w>\n"
                                    "f+ /2 - - - - <%W>\nf+ /3 - - - - <%B>\n";
        _cleanup_(remove_directory) char *directory = NULL;
        _cleanup_close_ int fd = -1;
        unsigned seed = 1;

        if (access(SYSTEMD_TMPFILES, X_OK) < 0) {
                print_message(SYSTEMD_TMPFILES " is not installed\n");
                skip();
        }
        assert_true(asprintf(&directory, "%s/test-hal-XXXXXX", getenv("TMPDIR") ?: "/tmp") > 0);
        assert_non_null(mkdtemp(directory));
        fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        assert_true(fd >= 0);
        assert_int_equal(mkdirat(fd, "etc", 0755), 0);
        assert_int_equal(symlinkat("../etc-os-release", fd, "etc/os-release"), 0);
        assert_int_equal(file_write_atomic_at(fd, "config", lines, sizeof(lines) - 1, 0600), 0);
        for (int i = 0; i < 60; i++) {
                _cleanup_free_ char *text = random_file(&seed);

                compare_with_systemd(directory, fd, text);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),  cmocka_unit_test(test_names),
                cmocka_unit_test(test_refused), cmocka_unit_test(test_big),
                cmocka_unit_test(test_systemd),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
