/* SPDX-License-Identifier: Apache-2.0 */
/* The variables that there are and those that cvm-template(5) describes are the same. */
#include "test.h"

#include <fcntl.h>

#include "base/file.h"
#include "base/text.h"
#include "plan-inputs.h"
#include "template/template_internal.h"

#define SECTION "\n## Variables\n"

/* The page's section, without scdoc's escapes. */
static char *section(void)
{
        const char *root = getenv("CVMD_SOURCE_ROOT");
        _cleanup_free_ char *path = NULL, *page = NULL;
        char *begin, *end, *out;

        assert_non_null(root);
        assert_true(asprintf(&path, "%s/man/cvm-template.5.scd", root) > 0);
        assert_int_equal(file_read_at(AT_FDCWD, path, 1 << 20, &page, NULL), 0);
        begin = strstr(page, SECTION);
        assert_non_null(begin);
        begin += strlen(SECTION);
        end = strstr(begin, "\n#");
        assert_non_null(end);
        *end = 0;
        out = begin;
        for (const char *p = begin; *p; p++)
                if (*p != '\\')
                        *out++ = *p;
        *out = 0;
        return strdup(begin);
}

static json_object *variables(void)
{
        _cleanup_(cvm_error_done) CvmError error = {};
        _cleanup_(template_set_freep) TemplateSet *set = NULL;
        json_object *tree;
        Launch launch;

        launch_full(&launch);
        assert_int_equal(template_set_load(NULL, &set, &error), 0);
        tree = variables_new(set, template_set_find(set, "sev-snp"), &launch.inputs);
        assert_non_null(tree);
        return tree;
}

static void assert_described(const char *text, const char *name)
{
        _cleanup_free_ char *bold = NULL;

        assert_true(asprintf(&bold, "*%s*", name) > 0);
        if (!strstr(text, bold))
                fail_msg("the page does not describe %s", name);
}

/* A list, and the names that each of its items has. */
static void assert_list_described(const char *text, const char *name, json_object *list)
{
        json_object *item = json_object_array_get_idx(list, 0);

        assert_described(text, name);
        assert_non_null(item);
        json_object_object_foreach (item, key, value) {
                (void)value;
                assert_described(text, key);
        }
}

static void test_all_are_described(void **state)
{
        _cleanup_free_ char *text = section();
        _cleanup_json_ json_object *tree = variables();

        json_object_object_foreach (tree, group, members) {
                if (json_object_is_type(members, json_type_array)) {
                        assert_list_described(text, group, members);
                        continue;
                }
                if (strcmp(group, "security") == 0) {
                        assert_non_null(strstr(text, "*security.*_FIELD_"));
                        continue;
                }
                if (strcmp(group, "companion") == 0) {
                        assert_non_null(strstr(text, "*companion.*_NAME_"));
                        continue;
                }
                json_object_object_foreach (members, key, value) {
                        _cleanup_free_ char *name = NULL;

                        assert_true(asprintf(&name, "%s.%s", group, key) > 0);
                        if (json_object_is_type(value, json_type_array))
                                assert_list_described(text, name, value);
                        else
                                assert_described(text, name);
                }
        }
}

static bool exists(json_object *tree, const char *name)
{
        const char *dot = strchr(name, '.');
        _cleanup_free_ char *group = strndup(name, (size_t)(dot - name));

        return json_member(json_member(tree, group), dot + 1);
}

/* Bold words with a dot inside are names of variables. */
static void test_all_that_are_described_exist(void **state)
{
        _cleanup_free_ char *text = section();
        _cleanup_json_ json_object *tree = variables();
        unsigned n = 0;

        for (char *p = strchr(text, '*'); p; p = strchr(p, '*')) {
                size_t length = strcspn(++p, "*");
                _cleanup_free_ char *word = strndup(p, length);
                char *dot = strchr(word, '.');

                p += length + (p[length] == '*');
                if (!dot || strcmp(word, "security.") == 0 || strcmp(word, "companion.") == 0)
                        continue;
                if (!exists(tree, word))
                        fail_msg("the page describes %s, which there is not", word);
                n++;
        }
        assert_true(n > 25);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_all_are_described),
                cmocka_unit_test(test_all_that_are_described_exist),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
