/* SPDX-License-Identifier: Apache-2.0 */
/* Every spec in JSON of examples/specs is one that spec_parse() accepts, and cvm-spec(5) shows the
 * same. */
#include "test.h"

#include <dirent.h>
#include <fcntl.h>

#include "base/file.h"
#include "base/json.h"
#include "base/text.h"
#include "spec/spec.h"

static char *read_source(const char *path)
{
        _cleanup_free_ char *full = source_path(path);
        char *text = NULL;

        assert_int_equal(file_read_at(AT_FDCWD, full, 1 << 20, &text, NULL), 0);
        return text;
}

static CvmSpec *parse_example(const char *name)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_json_ json_object *object = NULL;
        _cleanup_free_ char *path = NULL, *text = NULL;
        CvmSpec *spec = NULL;
        JsonParseError where;

        assert_true(asprintf(&path, "examples/specs/%s", name) > 0);
        text = read_source(path);
        if (json_parse(text, strlen(text), &object, &where) < 0)
                fail_msg("%s:%u: %s", path, where.line, where.reason);
        if (spec_parse(object, &spec, &error) < 0) {
                _cleanup_free_ char *message = cvm_error_message(&error);

                fail_msg("%s: %s", path, message);
        }
        return spec;
}

static void test_all(void **state)
{
        _cleanup_free_ char *path = source_path("examples/specs");
        DIR *dir = opendir(path);
        struct dirent *entry;
        size_t n = 0;

        assert_non_null(dir);
        while ((entry = readdir(dir)))
                if (text_has_suffix(entry->d_name, ".json")) {
                        spec_free(parse_example(entry->d_name));
                        n++;
                }
        closedir(dir);
        assert_true(n >= 3);
}

/* full.json shows every field of a spec. */
static void test_full(void **state)
{
        _cleanup_(spec_freep) CvmSpec *spec = parse_example("full.json");
        _cleanup_json_ json_object *object = spec_to_json_redacted(spec);

        for (const char *const *field =
                     (const char *const[]){"name", "platform", "cpus", "memory", "kernel",
                                           "initramfs", "firmware", "cmdline", "env", "certs",
                                           "shares", "forwards", "network", "vsock", "debug",
                                           "timeouts", "driver", NULL};
             *field; field++)
                if (!json_member(object, *field))
                        fail_msg("full.json has no %s", *field);
        assert_int_equal(json_object_object_length(json_member(object, "timeouts")), 4);
        assert_string_equal(spec->env[2].value, "x y,z=\"q\" costs $5");
}

/* The manual's examples are these files; in its source a backslash is written twice. */
static void test_manual(void **state)
{
        static const char *const names[] = {"examples/specs/minimal.json",
                                            "examples/specs/full.json",
                                            "examples/specs/confidential.json",
                                            "examples/specs/bound.json", "examples/specs/web.yaml"};
        _cleanup_free_ char *manual = read_source("man/cvm-spec.5.scd");

        for (char *p = strstr(manual, "\\\\"); p; p = strstr(p + 1, "\\\\"))
                memmove(p, p + 1, strlen(p));
        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *text = read_source(names[i]);

                if (!strstr(manual, text))
                        fail_msg("cvm-spec(5) does not show %s as it is", names[i]);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all),
                cmocka_unit_test(test_full),
                cmocka_unit_test(test_manual),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
