/* SPDX-License-Identifier: Apache-2.0 */
#include "base/json_place.h"
#include "test.h"

#include "base/json.h"
#include "base/text.h"

static int parse(const char *s, json_object **ret, JsonParseError *where)
{
        return json_parse(s, strlen(s), ret, where);
}

/* A tree of ours is the one that json-c's parser makes of the text. */
static void test_as_json_c_has_it(void **state)
{
#define LONG "0123456789012345678901234567890123456789012345678901234567890123456789"
        static const char *const texts[] = {
                "null",
                " true ",
                "false",
                "0",
                "-0",
                "-0.0",
                "1e3",
                "1E-2",
                "0.1",
                "[1.50]",
                "9223372036854775807",
                "9223372036854775808",
                "18446744073709551615",
                "-9223372036854775808",
                "\"\"",
                "\"a\\\"\\\\\\/\\b\\f\\n\\r\\tz\"",
                "\"\\u0041\\u00e4\\u20AC\\ud83d\\uDE00\\ufffd\"",
                "\"\xc3\xa4\\u00E4\"",
                "\"" LONG LONG "\\n" LONG "\"",
                "{}",
                "[ ]",
                "[[],{},[{}]]",
                "{\"\":1,\"a\\u0062\":[null , true],\"" LONG LONG "\" : { \"x\" : \"y\" } }",
                "{\"\\u0031" LONG LONG "\":-1.25e+2,\"a.b\":{\"a.b\":[]}}\n\t",
                "[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]",
        };

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                _cleanup_json_ json_object *ours = NULL, *theirs = NULL;

                assert_int_equal(json_parse(texts[i], strlen(texts[i]), &ours, NULL), 0);
                theirs = json_tokener_parse(texts[i]);
                assert_int_equal(!theirs, i == 0);
                if (!json_object_equal(ours, theirs))
                        fail_msg("%s", texts[i]);
                assert_string_equal(json_object_to_json_string(ours),
                                    json_object_to_json_string(theirs));
        }
}

/* json-c 0.16 takes these for halves of surrogate pairs by their lower 16 bits. */
static void test_pairs_that_json_c_repairs(void **state)
{
        static const struct {
                const char *text, *value;
        } pairs[] = {
                {"\"\\ud836\\ude00\"", "\xf0\x9d\xa8\x80"}, /* U+1DA00 */
                {"\"\\uD876\\uDC00\"", "\xf0\xad\xa0\x80"}, /* U+2D800 */
                {"\"\\udbb7\\udfff\"", "\xf3\xbd\xbf\xbf"}, /* U+FDFFF */
        };

        for (size_t i = 0; i < ARRAY_SIZE(pairs); i++) {
                _cleanup_json_ json_object *ours = NULL;

                assert_int_equal(json_parse(pairs[i].text, strlen(pairs[i].text), &ours, NULL), 0);
                assert_string_equal(json_object_get_string(ours), pairs[i].value);
        }
}

static void test_members_given_twice(void **state)
{
        static const struct {
                const char *text;
                unsigned line, column;
        } bad[] = {
                {"{\"a\":1,\"a\":2}", 1, 8},
                {"{\"a\":1,\"a\":1}", 1, 8},
                {"{\"a\":1,\n\"\\u0061\":2}", 2, 1},
                {"{\"\\u00e4\":1,\"\xc3\xa4\":2}", 1, 13},
                {"{\"x\":{\"b\":1,\"c\":2,\"b\":3}}", 1, 19},
                {"{\"x\":{\"b\":1},\"x\":{\"c\":1}}", 1, 14},
                {"[[{\"a\":{\"b\":[]},\"a\":null}]]", 1, 17},
                {"{\"\":1,\"\":2}", 1, 7},
        };
        static const char *const good[] = {
                "{\"a\":{\"a\":{\"a\":1}}}",
                "[{\"a\":1},{\"a\":1}]",
                "{\"a\":1,\"A\":1,\"aa\":1}",
                "{\"a\":null,\"b\":{\"a\":null}}",
        };

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
                json_object *object = NULL;
                JsonParseError where;

                assert_int_equal(parse(bad[i].text, &object, &where), -EBADMSG);
                assert_null(object);
                assert_string_equal(where.reason, "a duplicate member");
                assert_int_equal(where.line, bad[i].line);
                assert_int_equal(where.column, bad[i].column);
        }
        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                _cleanup_json_ json_object *object = NULL;

                assert_int_equal(parse(good[i], &object, NULL), 0);
                assert_string_equal(json_text(object), good[i]);
        }
}

static void write_all(JsonWriter *w, const char *const texts[], size_t n, json_object *tree)
{
        json_write_begin(w, NULL, '{');
        json_write_begin(w, "empty", '{');
        json_write_end(w, '}');
        json_write_begin(w, "texts", '[');
        for (size_t i = 0; i < n; i++)
                json_write_text(w, NULL, texts[i]);
        json_write_end(w, ']');
        json_write_text(w, "none", NULL);
        json_write_int(w, "least", INT64_MIN);
        json_write_int(w, "zero", 0);
        json_write_int(w, "most", INT64_MAX);
        json_write_bool(w, "yes", true);
        json_write_bool(w, "no", false);
        json_write_tree(w, "tree", tree);
        json_write_tree(w, "no-tree", NULL);
        json_write_end(w, '}');
}

/* The writer's text is that of json-c for the same. */
static void test_written(void **state)
{
        static const char *const texts[] = {
                "",         "a/b",      "{",           "[", "\"\\\b\f\n\r\t", "\x01\x1f\x7f",
                "\xc3\xa4", "a\xff\"z", "\xed\xa0\x80"};
        json_object *array = json_object_new_array();
        _cleanup_json_ json_object *object = NULL, *written = NULL, *outer = NULL;
        _cleanup_json_ json_object *tree = json_build("x", json_object_new_int(1), NULL);
        JsonWriter writer = {};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++)
                json_object_array_add(array, json_new_text(texts[i]));
        object = json_build("empty", json_object_new_object(), "texts", array, "least",
                            json_object_new_int64(INT64_MIN), "zero", json_object_new_int(0),
                            "most", json_object_new_int64(INT64_MAX), "yes",
                            json_object_new_boolean(true), "no", json_object_new_boolean(false),
                            "tree", json_object_get(tree), NULL);
        write_all(&writer, texts, ARRAY_SIZE(texts), tree);
        written = json_writer_to_object(&writer);
        assert_string_equal(json_text(written), json_text(object));
        outer = json_build("cvm", json_object_get(written), NULL);
        assert_memory_equal(json_text(outer), "{\"cvm\":{\"empty\":{},", 18);
        writer = (JsonWriter){.failed = true};
        assert_null(json_writer_take(&writer));
}

static void test_locate(void **state)
{
        static const char text[] = "{\n \"a\": {\n  \"x\": 1\n },\n \"list\": [\n  {\"n\": 1},\n"
                                   "  {\"n\": 2}\n ],\n \"ab\": \"a\\\"b\"\n}";

        assert_int_equal(json_place_line(text, strlen(text), "a"), 2);
        assert_int_equal(json_place_line(text, strlen(text), "a.x"), 3);
        assert_int_equal(json_place_line(text, strlen(text), "list[1].n"), 7);
        assert_int_equal(json_place_line(text, strlen(text), "ab"), 9);
        assert_int_equal(json_place_line(text, strlen(text), "b"), 0);
        assert_int_equal(json_place_line(text, strlen(text), "a.y"), 0);
}

static void test_parse_mended(void **state)
{
        static const struct {
                const char *text, *path, *value; /* path NULL: refused */
        } cases[] = {
                {"\"\\u0000\"", "", "\"\xef\xbf\xbd\""},
                {"{\"a\": \"x\\u0000y\"}", "a", "{\"a\":\"x\xef\xbf\xbdy\"}"},
                {"{\"a\": {\"b\": 1, \"c\": [\"\\\\\", {\"d\": \"\\u0000\"}]}}", "a.c[1].d", NULL},
                {"{\"a\": [[], [true, \"\\u0000\"]], \"b\": \"\\u0000\"}", "a[1][1]", NULL},
                {"{\"e\": {\"A\\u0000B\": \"x\"}}",
                 "e.A\xef\xbf\xbd"
                 "B",
                 NULL},
                {"{\"\": {\"\\u00e4\": \"\\u0000\"}}", ".\xc3\xa4", NULL},
                {"{\"a\": \"x\\ud800y\"}", "a", "{\"a\":\"x\xef\xbf\xbdy\"}"},
                {"[\"\\udc00\\ud800\"]", "[0]", "[\"\xef\xbf\xbd\xef\xbf\xbd\"]"},
                {"[\"\\ud834\\udd1e\", \"\\ud834\"]", "[1]", NULL},
                {"{\"e\": {\"A\\udc00B\": \"\\u0000\"}}",
                 "e.A\xef\xbf\xbd"
                 "B",
                 NULL},
                {"{\"a\": \"\\ud834\\udd1e\"}", NULL, NULL},      /* a pair */
                {"{\"a\": \"\\\\ud800\"}", NULL, NULL},           /* a backslash and ud800 */
                {"{\"\\ud800\": 1, \"\\udc00\": 1}", NULL, NULL}, /* they become the same */
                {"{\"a\": \"\\\\u0000\"}", NULL, NULL},           /* a backslash and u0000 */
                {"{\"a\": \\u0000}", NULL, NULL},
                {"{\"a\": \"\\u0000\", \"b\": oops}", NULL, NULL},
                {"{\"a\": \"\\u0000\", \"a\": 1}", NULL, NULL},
                {"{\"a\": \"\\u000", NULL, NULL},
                {"{\"a\": 1}", NULL, NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *object = NULL;
                _cleanup_free_ char *path = NULL;
                int r = json_parse_mended(cases[i].text, strlen(cases[i].text), 100, &object, &path,
                                          NULL);

                assert_int_equal(r, cases[i].path ? 0 : -EBADMSG);
                if (r < 0)
                        continue;
                assert_string_equal(path, cases[i].path);
                if (cases[i].value)
                        assert_string_equal(json_text(object), cases[i].value);
        }
}

typedef struct Target {
        char *name;
        bool flag;
        int64_t number;
        uint32_t port;
        json_object *map;
} Target;

static const JsonField fields[] = {
        {"name", JSON_STRING, offsetof(Target, name), JSON_REQUIRED},
        {"flag", JSON_BOOL, offsetof(Target, flag)},
        {"number", JSON_INT, offsetof(Target, number), 0, 1, 10},
        {"port", JSON_UINT32, offsetof(Target, port)},
        {"map", JSON_MAP, offsetof(Target, map)},
        {},
};

static char refusal[256];

static int refuse(void *userdata, const char *path, const char *reason)
{
        snprintf(refusal, sizeof(refusal), "%s: %s", path, reason);
        return -EINVAL;
}

static void test_dispatch(void **state)
{
        static const struct {
                const char *text, *refusal;
        } cases[] = {
                {"{\"name\":\"n\",\"flag\":true,\"number\":10,\"port\":4294967295,\"map\":{\"k\":"
                 "\"v\"}}",
                 ""},
                {"{\"name\":\"n\",\"number\":null}", ""},
                {"{}", "spec.name: is missing"},
                {"{\"name\":null}", "spec.name: is missing"},
                {"{\"name\":1}", "spec.name: must be a string"},
                {"{\"name\":\"n\",\"number\":11}", "spec.number: must be an integer from 1 to 10"},
                {"{\"name\":\"n\",\"number\":\"1\"}",
                 "spec.number: must be an integer from 1 to 10"},
                {"{\"name\":\"n\",\"number\":1.0}", "spec.number: must be an integer from 1 to 10"},
                {"{\"name\":\"n\",\"port\":4294967296}",
                 "spec.port: must be an integer from 0 to 4294967295"},
                {"{\"name\":\"n\",\"port\":-1}",
                 "spec.port: must be an integer from 0 to 4294967295"},
                {"{\"name\":\"n\",\"flag\":1}", "spec.flag: must be true or false"},
                {"{\"name\":\"n\",\"map\":{\"k\":1}}", "spec.map: must be an object of strings"},
                {"{\"name\":\"n\",\"other\":1}", "spec.other: unknown field"},
                {"[]", "spec: must be an object"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *object = NULL;
                Target target = {};

                refusal[0] = 0;
                assert_int_equal(parse(cases[i].text, &object, NULL), 0);
                assert_int_equal(json_dispatch(object, fields, &target, "spec", refuse, NULL),
                                 cases[i].refusal[0] ? -EINVAL : 0);
                assert_string_equal(refusal, cases[i].refusal);
                free(target.name);
        }
}

static void test_values(void **state)
{
        static const struct {
                const char *text;
                size_t values;
        } cases[] = {
                {"1", 1},
                {"[]", 1},
                {"{}", 1},
                {"[1,2]", 3},
                {"{\"a\":[{},null]}", 4},
                {"[{},{},[[]]]", 5},
                {"{\"a\":\"[1,2]\"}", 2},
        };
        _cleanup_(buffer_done) Buffer many = {};
        JsonParseError mended;

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *object = NULL, *none = NULL;
                const char *text = cases[i].text;
                JsonParseError where;

                assert_int_equal(
                        json_parse_bounded(text, strlen(text), cases[i].values, &object, NULL), 0);
                assert_int_equal(
                        json_parse_bounded(text, strlen(text), cases[i].values - 1, &none, &where),
                        -E2BIG);
                assert_int_equal(where.values, cases[i].values);
                assert_non_null(strstr(where.reason, "too many JSON values"));
        }
        assert_int_equal(buffer_append_text(&many, "[0"), 0);
        for (size_t i = 0; i < JSON_VALUES_MAX; i++)
                assert_int_equal(buffer_append_text(&many, ",0"), 0);
        assert_int_equal(buffer_append_text(&many, "]"), 0);
        assert_int_equal(json_parse(many.data, many.size, &(json_object *){NULL}, NULL), -EBADMSG);
        assert_int_equal(json_parse_mended("[1,\"\\u0000\"]", 12, 2, &(json_object *){NULL},
                                           &(char *){NULL}, &mended),
                         -E2BIG);
        assert_int_equal(mended.values, 3);
}

/* What stands for an object is written with its text, which is made once. */
static void test_to_text(void **state)
{
        _cleanup_json_ json_object *all = json_object_new_array(),
                                   *inner = json_object_new_object();
        size_t length = 0;
        json_object *one;

        json_add(inner, "path", json_object_new_string("/a\"b"));
        one = json_to_text(json_build("spec", json_object_get(inner), NULL), &length);
        json_add(inner, "later", json_object_new_int(1));
        assert_string_equal(json_text(one), "{\"spec\":{\"path\":\"/a\\\"b\"}}");
        assert_int_equal(length, strlen(json_text(one)));
        json_object_array_add(all, one);
        json_object_array_add(all, json_object_new_int(2));
        assert_string_equal(json_text(all), "[{\"spec\":{\"path\":\"/a\\\"b\"}},2]");
        assert_null(json_to_text(NULL, &length));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_as_json_c_has_it),
                cmocka_unit_test(test_pairs_that_json_c_repairs),
                cmocka_unit_test(test_members_given_twice),
                cmocka_unit_test(test_written),
                cmocka_unit_test(test_locate),
                cmocka_unit_test(test_values),
                cmocka_unit_test(test_parse_mended),
                cmocka_unit_test(test_dispatch),
                cmocka_unit_test(test_to_text),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
