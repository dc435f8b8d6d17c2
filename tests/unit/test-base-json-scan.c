/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/json.h"
#include "base/text.h"

static void test_accepts(void **state)
{
        static const char *const good[] = {
                /* values alone, white space */
                "null",
                "true",
                "false",
                "0",
                "\"\"",
                "[]",
                "{}",
                " \t\r\n[ \t\r\n] \t\r\n",
                "{ \"a\" : [ 1 , { } , [ ] ] }",
                "[[],{},[[]]]",
                "{\"\":{\"\":{}}}",
                /* numbers */
                "-0",
                "-1",
                "10",
                "0.0",
                "-0.0",
                "1.25",
                "0e0",
                "0E+0",
                "1e5",
                "1E-5",
                "-1.5e+10",
                "9223372036854775807",
                "-9223372036854775808",
                "18446744073709551615",
                "1e308",
                "1e-400",
                "0.000000000000000000000000000000000000000000001",
                /* strings */
                "\"\\\"\\\\\\/\\b\\f\\n\\r\\t\"",
                "\"\\u0001\\u001f\\u007f\"",
                "\"/\"",
                "\"\x7f\"",
                "\"\\uD834\\uDD1E\\ud834\\udd1e\"",
                "\"\\ud7ff\\ue000\\uffff\"",
                "\"\\\\u0000\"",
                "\"\\\\ud800\"",
                "\"\xc3\xa4\xe2\x82\xac\xf0\x9d\x84\x9e\"",
                "\"\xef\xbb\xbf\"",
                "\"a\\u0062\\\"c\"",
                "{\"\\u0061\":1,\"b\":2}",
                "\"'//#{[,\"",
        };

        for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
                _cleanup_json_ json_object *object = NULL;
                JsonParseError where = {};

                if (json_parse(good[i], strlen(good[i]), &object, &where) < 0)
                        fail_msg("refused: %s: %u: %s", good[i], where.column, where.reason);
        }
}

#define NUMBER_DIGIT "a number with a missing digit"
#define NUMBER_ZERO "a number with a leading zero"
#define SURROGATE "an unpaired surrogate in a string"
#define ESCAPE "an unknown escape in a string"
#define EARLY "unexpected end of the text"
#define VALUE "expected a value"
#define NAME "expected a member's name in double quotes"
#define IN_ARRAY "',' or ']' expected"
#define IN_OBJECT "',' or '}' expected"
#define MORE "unexpected text after the value"
#define COMMENT "a comment, which JSON does not allow"
#define SINGLE "a single quote; JSON allows only double quotes"
#define CONTROL "a control character in a string"
#define UTF8 "text that is not UTF-8"
#define RANGE "an integer beyond 64 bits"
#define DOUBLE "a number beyond the range of a double"

/* Columns count from 1; of what is missing at the end it is the one after the last. */
static const struct {
        const char *text;
        unsigned column;
        const char *reason;
} refused[] = {
        /* what json-c takes in its strict mode */
        {"[-01]", 2, NUMBER_ZERO},
        {"[-012]", 2, NUMBER_ZERO},
        {"[2.]", 4, NUMBER_DIGIT},
        {"[2.e3]", 4, NUMBER_DIGIT},
        {"[2.e+3]", 4, NUMBER_DIGIT},
        {"[2.e-3]", 4, NUMBER_DIGIT},
        {"[0.e1]", 4, NUMBER_DIGIT},
        {"[-2.]", 5, NUMBER_DIGIT},
        {"[-.123]", 3, NUMBER_DIGIT},
        {"\"\\ud800\"", 2, SURROGATE},
        {"\"x\\ud800y\"", 3, SURROGATE},
        {"\"\\udc00\"", 2, SURROGATE},
        {"\"\\udfff\\ud800\"", 2, SURROGATE},
        {"\"\\ud800\\u0041\"", 2, SURROGATE},
        {"\"\\ud800\\ud800\"", 2, SURROGATE},
        {"\"\\ud834\\udd1e\\udd1e\"", 14, SURROGATE},
        {"\"\\uDBFF\\n\"", 2, SURROGATE},
        {"\"\\ud800\\\"\"", 2, SURROGATE},
        {"\"\\ud800udc00\"", 2, SURROGATE},
        {"{\"\\udc00\":1}", 3, SURROGATE},
        /* other numbers */
        {"01", 1, NUMBER_ZERO},
        {"00", 1, NUMBER_ZERO},
        {"-", 2, EARLY},
        {"[-]", 3, NUMBER_DIGIT},
        {"[--1]", 3, NUMBER_DIGIT},
        {"[-a]", 3, NUMBER_DIGIT},
        {"[- 1]", 3, NUMBER_DIGIT},
        {"[+1]", 2, VALUE},
        {"[.5]", 2, VALUE},
        {"[1e]", 4, NUMBER_DIGIT},
        {"[1e+]", 5, NUMBER_DIGIT},
        {"1e", 3, EARLY},
        {"1.", 3, EARLY},
        {"[1ee1]", 4, NUMBER_DIGIT},
        {"[1.2.3]", 5, IN_ARRAY},
        {"[0x1]", 3, IN_ARRAY},
        {"[1 000]", 4, IN_ARRAY},
        {"[1_000]", 3, IN_ARRAY},
        {"[1e1.5]", 5, IN_ARRAY},
        {"[\xef\xbc\x91]", 2, VALUE},
        {"[1\xef\xbc\x91]", 3, IN_ARRAY},
        {"[18446744073709551616]", 2, RANGE},
        {"[-9223372036854775809]", 2, RANGE},
        {"[-99999999999999999999]", 2, RANGE},
        {"[1e309]", 2, DOUBLE},
        {"[-1e309]", 2, DOUBLE},
        {"[0.1e99999999999]", 2, DOUBLE},
        {"[NaN]", 2, VALUE},
        {"[Infinity]", 2, VALUE},
        {"[-Infinity]", 3, NUMBER_DIGIT},
        {"[-nan]", 3, NUMBER_DIGIT},
        /* other strings */
        {"\"", 2, EARLY},
        {"\"a", 3, EARLY},
        {"\"\\\"", 4, EARLY},
        {"\"\\", 2, ESCAPE},
        {"\"\\a\"", 2, ESCAPE},
        {"\"\\x41\"", 2, ESCAPE},
        {"\"\\'\"", 2, ESCAPE},
        {"\"\\\n\"", 2, ESCAPE},
        {"\"\\U0041\"", 2, ESCAPE},
        {"\"\\u\"", 2, ESCAPE},
        {"\"\\u004\"", 2, ESCAPE},
        {"\"\\u004g\"", 2, ESCAPE},
        {"\"\\u+041\"", 2, ESCAPE},
        {"\"\\u 041\"", 2, ESCAPE},
        {"\"\\ud834\\u\"", 2, SURROGATE},
        {"\"\\u004", 2, ESCAPE},
        {"\"\\u0000\"", 2, "a NUL character in a string"},
        {"\"a\tb\"", 3, CONTROL},
        {"\"a\nb\"", 3, CONTROL},
        {"\"a\x1f\"", 3, CONTROL},
        {"'a'", 1, SINGLE},
        {"[`a`]", 2, VALUE},
        {"[\xe2\x80\x9c"
         "a\xe2\x80\x9d]",
         2, VALUE},
        {"[\"a\" \"b\"]", 6, IN_ARRAY},
        /* UTF-8 */
        {"\"\xff\"", 2, UTF8},
        {"\"\xc3\xa4\xff\"", 3, UTF8},
        {"\"\xc0\xaf\"", 2, UTF8},
        {"\"\xe0\x80\x80\"", 2, UTF8},
        {"\"\xed\xa0\x80\"", 2, UTF8},
        {"\"\xf4\x90\x80\x80\"", 2, UTF8},
        {"\"\xe2\x82\"", 2, UTF8},
        {"[1]\xe9", 4, UTF8},
        {"\xff\xfe{", 1, UTF8},
        {"\xef\xbb\xbf{}", 1, "a byte order mark, which is not allowed"},
        {"{}\xef\xbb\xbf", 3, MORE},
        {"\xc2\xa0{}", 1, VALUE}, /* white space of Unicode is none of JSON */
        {"\xe2\x81\xa0[]", 1, VALUE},
        {"\f[]", 1, VALUE},
        {"[\v1]", 2, VALUE},
        /* words */
        {"", 1, EARLY},
        {" \n", 1, EARLY},
        {"nul", 1, VALUE},
        {"nulll", 5, MORE},
        {"[nullnull]", 6, IN_ARRAY},
        {"[True]", 2, VALUE},
        {"[TRUE]", 2, VALUE},
        {"[None]", 2, VALUE},
        {"undefined", 1, VALUE},
        {"<.>", 1, VALUE},
        {"\\u005b]", 1, VALUE},
        {"*", 1, VALUE},
        /* arrays */
        {"[", 2, EARLY},
        {"[1", 3, EARLY},
        {"[1,", 4, EARLY},
        {"[,1]", 2, VALUE},
        {"[1,]", 4, "a comma before the end"},
        {"[1,,2]", 4, VALUE},
        {"[,]", 2, VALUE},
        {"[1:2]", 3, IN_ARRAY},
        {"[1}", 3, IN_ARRAY},
        {"[1;2]", 3, IN_ARRAY},
        {"]", 1, VALUE},
        {"[]]", 3, MORE},
        {"[][]", 3, MORE},
        {"[1]x", 4, MORE},
        {"1 2", 3, MORE},
        {"1,", 2, MORE},
        /* objects */
        {"{", 2, EARLY},
        {"{\"a\"", 5, EARLY},
        {"{\"a\":", 6, EARLY},
        {"{\"a\":1", 7, EARLY},
        {"{\"a\":1,", 8, EARLY},
        {"{\"a\":1,}", 8, "a comma before the end"},
        {"{\"a\":1,,\"b\":2}", 8, NAME},
        {"{,\"a\":1}", 2, NAME},
        {"{a:1}", 2, NAME},
        {"{1:1}", 2, NAME},
        {"{null:1}", 2, NAME},
        {"{[]:1}", 2, NAME},
        {"{'a':1}", 2, SINGLE},
        {"{\"a\":'b'}", 6, SINGLE},
        {"{\"a\" 1}", 6, "':' expected"},
        {"{\"a\"::1}", 6, VALUE},
        {"{\"a\"=1}", 5, "':' expected"},
        {"{\"a\",1}", 5, "':' expected"},
        {"{\"a\"}", 5, "':' expected"},
        {"{\"a\":}", 6, VALUE},
        {"{\"a\":1 \"b\":2}", 8, IN_OBJECT},
        {"{\"a\":1]", 7, IN_OBJECT},
        {"{\"a\":1;}", 7, IN_OBJECT},
        {"{}}", 3, MORE},
        {"}", 1, VALUE},
        /* comments, of several languages */
        {"// c\n{}", 1, COMMENT},
        {"/* c */ {}", 1, COMMENT},
        {"# c\n{}", 1, COMMENT},
        {"{/**/}", 2, COMMENT},
        {"{\"a\":/**/1}", 6, COMMENT},
        {"{\"a\":1 // c\n}", 8, COMMENT},
        {"[1] # c", 5, COMMENT},
        {"[1/**/]", 3, COMMENT},
};

static void test_refuses(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
                json_object *object = NULL;
                JsonParseError where = {};

                if (json_parse(refused[i].text, strlen(refused[i].text), &object, &where) !=
                    -EBADMSG)
                        fail_msg("accepted: %s", refused[i].text);
                assert_null(object);
                if (strchr(refused[i].text, '\n') == NULL && where.column != refused[i].column)
                        fail_msg("%s: column %u, not %u", refused[i].text, where.column,
                                 refused[i].column);
                if (strcmp(where.reason, refused[i].reason) != 0)
                        fail_msg("%s: \"%s\", not \"%s\"", refused[i].text, where.reason,
                                 refused[i].reason);
        }
}

/* A NUL byte ends no text early. */
static void test_nul_bytes(void **state)
{
        static const struct {
                const char *text;
                size_t size;
        } texts[] = {{"\0", 1},     {"{}\0", 3}, {"[\0]", 3},
                     {"\"\0\"", 3}, {"1\0", 2},  {"{\"a\0\":1}", 8}};

        for (size_t i = 0; i < ARRAY_SIZE(texts); i++) {
                JsonScan scan;

                assert_int_equal(json_scan(texts[i].text, texts[i].size, &scan), -EBADMSG);
                assert_string_equal(scan.reason, "a NUL byte");
        }
}

/* Every beginning of a text is refused as such, without a byte after it being read. */
static void test_beginnings(void **state)
{
        static const char text[] =
                "{\"a\\u00e4\\ud834\\udd1e\": [-1.5e+3, true, null, {\"b\": \"\\n\"}]}";

        for (size_t size = 0; size < strlen(text); size++) {
                _cleanup_free_ char *copy = malloc(size ?: 1);
                JsonScan scan;

                assert_non_null(copy);
                memcpy(copy, text, size);
                assert_int_equal(json_scan(copy, size, &scan), -EBADMSG);
                assert_true(scan.at <= size);
        }
}

static void nest(Buffer *buffer, unsigned levels, const char *open, const char *inner,
                 const char *close)
{
        buffer_done(buffer);
        for (unsigned i = 0; i < levels; i++)
                assert_int_equal(buffer_append_text(buffer, open), 0);
        assert_int_equal(buffer_append_text(buffer, inner), 0);
        for (unsigned i = 0; i < levels; i++)
                assert_int_equal(buffer_append_text(buffer, close), 0);
}

static void test_depth(void **state)
{
        static const char *const forms[][3] = {
                {"[", "1", "]"}, {"{\"a\":", "1", "}"}, {"[", "", "]"}, {"[1,", "\"\"", "]"}};
        _cleanup_(buffer_done) Buffer text = {};

        for (size_t i = 0; i < ARRAY_SIZE(forms); i++) {
                _cleanup_json_ json_object *object = NULL, *none = NULL;
                JsonParseError where;

                nest(&text, JSON_DEPTH_MAX, forms[i][0], forms[i][1], forms[i][2]);
                assert_int_equal(json_parse(text.data, text.size, &object, NULL), 0);
                nest(&text, JSON_DEPTH_MAX + 1, forms[i][0], forms[i][1], forms[i][2]);
                assert_int_equal(json_parse(text.data, text.size, &none, &where), -EBADMSG);
                assert_string_equal(where.reason, "arrays and objects nested too deep");
        }
        nest(&text, 100000, "[", "", "");
        assert_int_equal(json_parse(text.data, text.size, &(json_object *){NULL}, NULL), -EBADMSG);
}

static void test_long_numbers(void **state)
{
        char text[JSON_NUMBER_MAX + 2];
        JsonScan scan;

        memset(text, '1', sizeof(text));
        text[1] = '.';
        assert_int_equal(json_scan(text, JSON_NUMBER_MAX, &scan), 0);
        assert_int_equal(json_scan(text, JSON_NUMBER_MAX + 1, &scan), -EBADMSG);
        assert_string_equal(scan.reason, "a number that is too long");
}

static void test_values(void **state)
{
        static const char text[] = "{\"a\":{\"b\":1,\"c\":[{\"d\":{}},{}]},\"e\":[1,2]}";
        JsonScan scan;

        assert_int_equal(json_scan(text, strlen(text), &scan), 0);
        assert_int_equal(scan.values, 10);
}

static void test_lines(void **state)
{
        static const char text[] = "{\n  \"a\": 1,\r\n  \"\xc3\xa4\": oops\n}";
        JsonParseError where;
        json_object *object = NULL;

        assert_int_equal(json_parse(text, strlen(text), &object, &where), -EBADMSG);
        assert_int_equal(where.line, 3);
        assert_int_equal(where.column, 8);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepts),   cmocka_unit_test(test_refuses),
                cmocka_unit_test(test_nul_bytes), cmocka_unit_test(test_beginnings),
                cmocka_unit_test(test_depth),     cmocka_unit_test(test_long_numbers),
                cmocka_unit_test(test_values),    cmocka_unit_test(test_lines),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
