/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/json.h"
#include "base/text.h"

static int parse(const char *s, json_object **ret, JsonParseError *where)
{
        return json_parse(s, strlen(s), ret, where);
}

static void test_accepts(void **state)
{
        static const char *const good[] = {"{}", " {\"a\": [1, 2.5, null, true]} \n", "1",
                                           "\"\\u00e4\"", "[]"};

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                _cleanup_json_ json_object *object = NULL;

                assert_int_equal(parse(good[i], &object, NULL), 0);
        }
}

static void test_refuses(void **state)
{
        static const char *const bad[] = {
                "",
                "{",
                "{\"a\":1,}",
                "{'a':1}",
                "{} x",
                "[1,]",
                "nul",
                "{\"a\" 1}",
                "\"\xff\"",
                "\"a\nb\"",
                "// c\n{}",
                "\"\\u0000\"",
                "{\"a\":1,\"a\":2}",
                "{\"x\":{\"b\":1,\"c\":2,\"b\":3}}",
                "{\"a\":NaN}",
                "\"\xf4\x92\x9b\x98\"",
                "\"\xc0\xaf\"",
                "\"\xed\xa0\x80\"",
                "{\"\xe0\x80\x80\":1}",
                "{\"a\":1,\"\\u0061\":2}",
                "{\"\\u00e4\":1,\"\xc3\xa4\":2}",
        };
        _cleanup_(buffer_done) Buffer deep = {};
        json_object *object = NULL;

        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                if (parse(bad[i], &object, NULL) != -EBADMSG)
                        fail_msg("accepted: %s", bad[i]);
        assert_int_equal(json_parse("{\"a\":\"\0\"}", 9, &object, NULL), -EBADMSG);
        for (int i = 0; i < 100; i++)
                assert_int_equal(buffer_append_text(&deep, "["), 0);
        assert_int_equal(parse(deep.data, &object, NULL), -EBADMSG);
        assert_null(object);
}

static void test_where(void **state)
{
        JsonParseError where;
        json_object *object = NULL;

        assert_int_equal(parse("{\n  \"a\": 1,\n  \"b\": oops\n}", &object, &where), -EBADMSG);
        assert_int_equal(where.line, 3);
        assert_int_equal(parse("{\n\"a\": 1", &object, &where), -EBADMSG);
        assert_int_equal(where.line, 2);
}

static void test_locate(void **state)
{
        static const char text[] = "{\n \"a\": {\n  \"x\": 1\n },\n \"list\": [\n  {\"n\": 1},\n"
                                   "  {\"n\": 2}\n ],\n \"ab\": \"a\\\"b\"\n}";

        assert_int_equal(json_locate(text, strlen(text), "a"), 2);
        assert_int_equal(json_locate(text, strlen(text), "a.x"), 3);
        assert_int_equal(json_locate(text, strlen(text), "list[1].n"), 7);
        assert_int_equal(json_locate(text, strlen(text), "ab"), 9);
        assert_int_equal(json_locate(text, strlen(text), "b"), 0);
        assert_int_equal(json_locate(text, strlen(text), "a.y"), 0);
}

static void test_parse_nul(void **state)
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
                {"{\"a\": \"\\\\u0000\"}", NULL, NULL}, /* a backslash and u0000 */
                {"{\"a\": \\u0000}", NULL, NULL},
                {"{\"a\": \"\\u0000\", \"b\": oops}", NULL, NULL},
                {"{\"a\": \"\\u0000\", \"a\": 1}", NULL, NULL},
                {"{\"a\": \"\\u000", NULL, NULL},
                {"{\"a\": 1}", NULL, NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_json_ json_object *object = NULL;
                _cleanup_free_ char *path = NULL;
                int r = json_parse_nul(cases[i].text, strlen(cases[i].text), &object, &path);

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

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepts),   cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_where),     cmocka_unit_test(test_locate),
                cmocka_unit_test(test_parse_nul), cmocka_unit_test(test_dispatch),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
