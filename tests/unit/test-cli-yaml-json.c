/* SPDX-License-Identifier: Apache-2.0 */
/* YAML as JSON: which values YAML texts are, what is refused, and where. */
#include "test.h"

#include "../../cli/yaml_json.h"
#include "base/json.h"

/* Converts and parses; places of refusals are those of the YAML text. */
static int convert(const char *text, size_t size, json_object **ret, JsonParseError *where)
{
        YamlJson json = {};
        int r = yaml_json_new(text, size, &json, where);

        if (r == 0) {
                r = json_parse(json.text.data, json.text.size, ret, where);
                if (r < 0) {
                        YamlPlace place = yaml_json_place(&json, where->line);

                        where->line = place.line;
                        where->column = place.column;
                }
        }
        yaml_json_done(&json);
        return r;
}

static void test_values(void **state)
{
        static const struct {
                const char *yaml, *json;
        } cases[] = {
                {"a: 1", "{\"a\":1}"},
                {"%YAML 1.2\n---\na: true # x\n...\n", "{\"a\":true}"},
                {"\xef\xbb\xbf"
                 "a: null",
                 "{\"a\":null}"},
                {"[0, -0, 10, -1.5, 1e3, 2.5E-1, true, false, null]",
                 "[0,0,10,-1.5,1e3,2.5E-1,true,false,null]"},
                /* what YAML 1.1 or the core schema have and JSON does not */
                {"[yes, no, on, True, FALSE, Null, ~, y]",
                 "[\"yes\",\"no\",\"on\",\"True\",\"FALSE\",\"Null\",\"~\",\"y\"]"},
                {"[0x10, 0o7, 010, 1_000, +1, .5, 1., 1e, .inf, .NaN, 12:30, 2026-11-21, 1.2.3]",
                 "[\"0x10\",\"0o7\",\"010\",\"1_000\",\"+1\",\".5\",\"1.\",\"1e\",\".inf\",\"."
                 "NaN\","
                 "\"12:30\",\"2026-11-21\",\"1.2.3\"]"},
                {"['1', \"true\", 'it''s', \"\", '']", "[\"1\",\"true\",\"it's\",\"\",\"\"]"},
                {"- a\n- b: c\n  d:\n  - e\n- {f: [g]}\n",
                 "[\"a\",{\"b\":\"c\",\"d\":[\"e\"]},{\"f\":[\"g\"]}]"},
                {"a: |\n  x\n  y\nb: >-\n  x\n  y\n", "{\"a\":\"x\\ny\\n\",\"b\":\"x y\"}"},
                {"a: |-\n  1\n", "{\"a\":\"1\"}"},
                {"a: x y\n   z", "{\"a\":\"x y z\"}"},
                {"\"a\\x41\\u00e4\\U0001F600\": \"\\t\\\"\\\\\\/\"",
                 "{\"aA\xc3\xa4\xf0\x9f\x98\x80\":\"\\t\\\"\\\\/\"}"},
                {"'1': 2\n\"true\": 3\n", "{\"1\":2,\"true\":3}"},
                {"<<: {a: b}", "{\"<<\":{\"a\":\"b\"}}"},
                {"{\"a\":{\"b\":[1,{}],\"c\":[]}}", "{\"a\":{\"b\":[1,{}],\"c\":[]}}"},
                {"? a\n: b\n", "{\"a\":\"b\"}"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *object = NULL;
                JsonParseError where = {};

                if (convert(cases[i].yaml, strlen(cases[i].yaml), &object, &where) < 0)
                        fail_msg("%s: %u:%u: %s", cases[i].yaml, where.line, where.column,
                                 where.reason);
                assert_string_equal(json_text(object), cases[i].json);
        }
}

static void check_refused(const char *text, size_t size, unsigned line, unsigned column,
                          const char *reason)
{
        _cleanup_json_ json_object *object = NULL;
        JsonParseError where = {};

        if (convert(text, size, &object, &where) != -EBADMSG)
                fail_msg("accepted: %s", text);
        if (where.line != line || where.column != column || !strstr(where.reason, reason))
                fail_msg("%s: %u:%u: %s", text, where.line, where.column, where.reason);
}

static void test_refused(void **state)
{
        static const struct {
                const char *yaml;
                unsigned line, column;
                const char *reason;
        } cases[] = {
                {"", 1, 1, "no document"},
                {"# x\n", 2, 1, "no document"},
                {"a: 1\nb: &x 2", 2, 4, "an anchor is not accepted"},
                {"a: &x [1]", 1, 4, "an anchor"},
                {"a: &x {b: 1}", 1, 4, "an anchor"},
                {"&x a: 1", 1, 1, "an anchor"},
                {"a: *x", 1, 4, "an alias is not accepted"},
                {"*x : 1", 1, 1, "an alias"},
                {"a: !!str 1", 1, 4, "a tag is not accepted"},
                {"a: ! b", 1, 4, "a tag"},
                {"a: !x [1]", 1, 4, "a tag"},
                {"!!map {a: 1}", 1, 1, "a tag"},
                {"%TAG ! tag:x,2000:\n---\na: 1", 1, 1, "tags are not accepted"},
                {"%YAML 1.1\n---\na: 1", 1, 1, "only version 1.2"},
                {"a: 1\n---\nb: 2", 2, 1, "a second document is not accepted"},
                {"--- a\n--- b", 2, 1, "a second document"},
                {"a: 1\n\xc3\xa4: 2\nc: {\xc3\xa4: 1, \xc3\xa4: 2}", 3, 11, "a duplicate member"},
                {"a: 1\n'a': 2", 2, 1, "a duplicate member"},
                {"a:", 1, 3, "the value is missing"},
                {"a:\nb: 1", 1, 3, "the value is missing"},
                {"- ", 1, 2, "the value is missing"},
                {"{a, b: 1}", 1, 3, "the value is missing"},
                {"1: a", 1, 1, "must be a string: put it in quotes"},
                {"a: {null: 1}", 1, 5, "must be a string: put it in quotes"},
                {"{? : a}", 1, 4, "must be a string"},
                {"? [a]\n: b", 1, 3, "must be a string"},
                {"{{a: 1}: b}", 1, 2, "must be a string"},
                {"a: 1e999", 1, 4, "beyond the range of a double"},
                {"a:\n- 1\n- 99999999999999999999", 3, 3, "64 bits"},
                {"a: \"x\\0y\"", 1, 4, "a NUL character"},
                {"a: b: c", 1, 5, "not valid YAML: mapping values"},
                {"a: {b: 1\n", 2, 1, "not valid YAML: did not find expected ',' or '}'"},
                {"a: b\n\tc: d", 2, 1, "not valid YAML: a tab"},
                {"a: @x", 1, 4, "not valid YAML: found character that cannot start"},
                {"a: \xff", 1, 4, "not valid YAML: invalid leading UTF-8 octet"},
                {"\xc3\xa4: 1\n\xc3\xa4\xc3\xa4: \x01", 2, 5, "not valid YAML: control characters"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                check_refused(cases[i].yaml, strlen(cases[i].yaml), cases[i].line, cases[i].column,
                              cases[i].reason);
        check_refused("a: \0", 4, 1, 4, "not valid YAML: control characters");
}

/* As many levels and values as JSON may have, and one more. */
static void test_bounds(void **state)
{
        _cleanup_(buffer_done) Buffer text = {};
        _cleanup_json_ json_object *deep = NULL, *many = NULL;
        JsonParseError where;

        for (int i = 0; i < JSON_DEPTH_MAX; i++)
                assert_int_equal(buffer_append_text(&text, "["), 0);
        for (int i = 0; i < JSON_DEPTH_MAX; i++)
                assert_int_equal(buffer_append_text(&text, "]"), 0);
        assert_int_equal(convert(text.data, text.size, &deep, &where), 0);
        assert_int_equal(buffer_append_text(&text, "]"), 0);
        memmove(text.data + 1, text.data, text.size - 1);
        check_refused(text.data, text.size, 1, JSON_DEPTH_MAX + 1, "nested too deeply");

        buffer_done(&text);
        for (unsigned i = 0; i < JSON_VALUES_MAX - 1; i++)
                assert_int_equal(buffer_append_text(&text, "- 1\n"), 0);
        assert_int_equal(convert(text.data, text.size, &many, &where), 0);
        assert_int_equal(buffer_append_text(&text, "- 1\n"), 0);
        check_refused(text.data, text.size, JSON_VALUES_MAX, 3, "too many values");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_refused),
                cmocka_unit_test(test_bounds),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
