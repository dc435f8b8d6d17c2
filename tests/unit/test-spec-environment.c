/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The environment file is read back by three readers that know nothing of its writer: one written
 * here by the rules of systemd.exec(5), systemd itself and the shell (whose double quotes have the
 * same rules, POSIX XCU 2.2.3).
 */
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "directory.h"
#include "program.h"
#include "spec/spec.h"

#define SYSTEMD_TMPFILES "/usr/bin/systemd-tmpfiles"

static const char *const values[] = {
        "",
        " ",
        "x y,z=\"q\"",
        "\\",
        "\\\\\"",
        "$HOME ${HOME} $(id) `id`",
        "'single' \"double\"",
        "# no comment",
        "; no comment",
        "tab\tand end ",
        " begin",
        "a\\nb\\x41\\u0041",
        "%% %h %n",
        "\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80",
        "=",
        "a=b=c",
        "!history",
        "~",
        "*",
        "a\\",
        "\\$",
        "{\"json\": [\"$x\", \"`\"]}",
        "export A=1",
};

/* A spec of the variables V0, V1, …, or of `names`. */
static CvmSpec *make_spec(const char *const *names, const char *const *texts, size_t n)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        json_object *env = json_object_new_object();
        _cleanup_json_ json_object *object =
                json_build("name", json_object_new_string("a"), "env", env, NULL);
        CvmSpec *spec = NULL;

        for (size_t i = 0; i < n; i++) {
                char name[24];

                snprintf(name, sizeof(name), "V%zu", i);
                json_object_object_add(env, names ? names[i] : name,
                                       json_object_new_string(texts[i]));
        }
        assert_int_equal(spec_parse(object, &spec, &error), 0);
        return spec;
}

/* Reads one line NAME="VALUE"; returns the begin of the next one. */
static const char *read_line(const char *line, Buffer *name, Buffer *value)
{
        const char *p = strchr(line, '=');

        assert_non_null(p);
        assert_int_equal(buffer_append(name, line, (size_t)(p - line)), 0);
        assert_int_equal(buffer_append_text(value, ""), 0);
        assert_int_equal(*++p, '"');
        for (p++; *p != '"'; p++) {
                assert_true(*p && *p != '\n');
                if (*p == '\\' && p[1] && strchr("\"\\`$", p[1]))
                        p++;
                assert_int_equal(buffer_append(value, p, 1), 0);
        }
        assert_int_equal(p[1], '\n');
        return p + 2;
}

static void assert_reads_back(const CvmSpec *spec)
{
        _cleanup_free_ char *text = NULL;
        const char *line, *previous = "";
        size_t size;

        assert_int_equal(spec_environment_file(spec, &text, &size), 0);
        assert_int_equal(strlen(text), size);
        line = text;
        for (size_t i = 0; i < spec->n_env; i++) {
                _cleanup_(buffer_done) Buffer name = {}, value = {};

                line = read_line(line, &name, &value);
                assert_string_equal(name.data, spec->env[i].name);
                assert_string_equal(value.data, spec->env[i].value);
                assert_true(strcmp(previous, spec->env[i].name) < 0);
                previous = spec->env[i].name;
        }
        assert_int_equal(*line, 0);
}

static void test_exact(void **state)
{
        static const char *const names[] = {"B", "A_1"};
        static const char *const texts[] = {"x y,z=\"q\" $a `b` \\", ""};
        _cleanup_(spec_freep) CvmSpec *spec = make_spec(names, texts, 2);
        _cleanup_free_ char *text = NULL;
        size_t size;

        assert_int_equal(spec_environment_file(spec, &text, &size), 0);
        assert_string_equal(text, "A_1=\"\"\nB=\"x y,z=\\\"q\\\" \\$a \\`b\\` \\\\\"\n");
        assert_int_equal(size, strlen(text));
}

static void test_empty(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = make_spec(NULL, NULL, 0);
        _cleanup_free_ char *text = NULL;
        size_t size = 1;

        assert_int_equal(spec_environment_file(spec, &text, &size), 0);
        assert_int_equal(size, 0);
        assert_string_equal(text, "");
}

static void test_reads_back(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = make_spec(NULL, values, ARRAY_SIZE(values));

        assert_int_equal(spec->n_env, ARRAY_SIZE(values));
        assert_reads_back(spec);
}

/* One variable of 1 MiB, each byte of it escaped. */
static void test_big(void **state)
{
        size_t size = 1 << 20;
        _cleanup_free_ char *value = malloc(size + 1);
        _cleanup_(spec_freep) CvmSpec *spec = NULL;

        memset(value, '$', size);
        value[size] = 0;
        spec = make_spec(NULL, &(const char *const){value}, 1);
        assert_reads_back(spec);
}

static void write_file(const char *directory, const char *name, const char *text)
{
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        assert_true(fd >= 0);
        assert_int_equal(file_write_atomic_at(fd, name, text, strlen(text), 0600), 0);
}

/* systemd-tmpfiles fills specifiers from an os-release file, which systemd reads with the same code
 * as EnvironmentFile=: up to four variables at a time are read through it. */
static void assert_systemd_reads(const char *const *texts, size_t n)
{
        static const char specifiers[] = "owWB"; /* of the names below, tmpfiles.d(5) */
        static const char *const names[] = {"ID", "VERSION_ID", "VARIANT_ID", "BUILD_ID"};
        _cleanup_(spec_freep) CvmSpec *spec = make_spec(names, texts, n);
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *text = NULL, *etc = NULL, *root = NULL, *config = NULL;
        _cleanup_(buffer_done) Buffer lines = {};
        size_t size;

        assert_int_equal(spec_environment_file(spec, &text, &size), 0);
        assert_true(asprintf(&etc, "%s/etc", directory) > 0);
        assert_true(asprintf(&root, "--root=%s", directory) > 0);
        assert_true(asprintf(&config, "%s/config", directory) > 0);
        assert_int_equal(mkdir(etc, 0755), 0);
        write_file(etc, "os-release", text);
        for (size_t i = 0; i < n; i++)
                assert_int_equal(
                        buffer_appendf(&lines, "f+ /%zu - - - - <%%%c>\n", i, specifiers[i]), 0);
        write_file(directory, "config", lines.data);
        program_run((const char *const[]){SYSTEMD_TMPFILES, root, "--create", config, NULL});

        for (size_t i = 0; i < n; i++) {
                _cleanup_free_ char *path = NULL, *found = NULL, *expected = NULL;

                assert_true(asprintf(&path, "%s/%zu", directory, i) > 0);
                assert_true(asprintf(&expected, "<%s>", texts[i]) > 0);
                assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &found, NULL), 0);
                assert_string_equal(found, expected);
        }
}

static void test_systemd(void **state)
{
        if (access(SYSTEMD_TMPFILES, X_OK) < 0) {
                print_message(SYSTEMD_TMPFILES " is not installed\n");
                skip();
        }
        for (size_t i = 0; i < ARRAY_SIZE(values); i += 4) {
                size_t left = ARRAY_SIZE(values) - i;

                assert_systemd_reads(values + i, left < 4 ? left : 4);
        }
}

/* The shell reads the file and its environment is then looked at. */
static void test_shell(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = make_spec(NULL, values, ARRAY_SIZE(values));
        _cleanup_(directory_remove) char *directory = directory_make();
        _cleanup_free_ char *text = NULL, *script = NULL, *path = NULL, *found = NULL;
        size_t size, n = 0;

        assert_int_equal(spec_environment_file(spec, &text, &size), 0);
        write_file(directory, "environment", text);
        assert_true(asprintf(&script, "set -a; . %s/environment; /usr/bin/env -0 > %s/found",
                             directory, directory) > 0);
        program_run((const char *const[]){"/bin/sh", "-c", script, NULL});
        assert_true(asprintf(&path, "%s/found", directory) > 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &found, &size), 0);

        for (const char *p = found; p < found + size; p += strlen(p) + 1)
                for (size_t i = 0; i < spec->n_env; i++) {
                        size_t length = strlen(spec->env[i].name);

                        if (strncmp(p, spec->env[i].name, length) != 0 || p[length] != '=')
                                continue;
                        assert_string_equal(p + length + 1, spec->env[i].value);
                        n++;
                }
        assert_int_equal(n, spec->n_env);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_exact),      cmocka_unit_test(test_empty),
                cmocka_unit_test(test_reads_back), cmocka_unit_test(test_big),
                cmocka_unit_test(test_systemd),    cmocka_unit_test(test_shell),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
