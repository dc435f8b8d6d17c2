/* SPDX-License-Identifier: Apache-2.0 */
/* RFC 8785: its examples where all numbers are integers, and what is refused. */
#include "test.h"

#include "base/canonical.h"
#include "base/json.h"

static int canonical(const char *text, Buffer *ret)
{
        _cleanup_json_ json_object *value = NULL;

        assert_int_equal(json_parse(text, strlen(text), &value, NULL), 0);
        return canonical_write(value, ret);
}

static void assert_canonical(const char *text, const char *expected)
{
        _cleanup_(buffer_done) Buffer written = {};

        assert_int_equal(canonical(text, &written), 0);
        assert_string_equal(written.data, expected);
}

/* Section 3.2.2; its numbers have fractions and are refused. */
static void test_example(void **state)
{
        assert_canonical("{\n  \"string\": \"\\u20ac$\\u000F\\u000aA'\\u0042\\u0022\\u005c\\\\\\\""
                         "\\/\",\n  \"literals\": [null, true, false]\n}",
                         "{\"literals\":[null,true,false],"
                         "\"string\":\"\xe2\x82\xac$\\u000f\\nA'B\\\"\\\\\\\\\\\"/\"}");
}

/* Section 3.2.3: by UTF-16, in which U+1F600 comes before U+FB33. */
static void test_sorting(void **state)
{
        assert_canonical(
                "{\"\\u20ac\":\"Euro Sign\",\"\\r\":\"Carriage Return\","
                "\"\\ufb33\":\"Hebrew Letter Dalet With Dagesh\",\"1\":\"One\","
                "\"\\ud83d\\ude00\":\"Emoji: Grinning Face\",\"\\u0080\":\"Control\","
                "\"\\u00f6\":\"Latin Small Letter O With Diaeresis\"}",
                "{\"\\r\":\"Carriage Return\",\"1\":\"One\",\"\xc2\x80\":\"Control\","
                "\"\xc3\xb6\":\"Latin Small Letter O With Diaeresis\","
                "\"\xe2\x82\xac\":\"Euro Sign\",\"\xf0\x9f\x98\x80\":\"Emoji: Grinning Face\","
                "\"\xef\xac\xb3\":\"Hebrew Letter Dalet With Dagesh\"}");
        /* U+D7FF before the surrogates of U+10000 and U+10FFFF, U+E000 and U+FFFF behind them; a
         * name before what it begins */
        assert_canonical("{\"a\\uffff\":1,\"a\\ue000\":2,\"a\\udbff\\udfff\":3,"
                         "\"a\\ud800\\udc00\":4,\"a\\ud7ff\":5,\"ab\":6,\"a\":7,\"\":8}",
                         "{\"\":8,\"a\":7,\"ab\":6,\"a\xed\x9f\xbf\":5,\"a\xf0\x90\x80\x80\":4,"
                         "\"a\xf4\x8f\xbf\xbf\":3,\"a\xee\x80\x80\":2,\"a\xef\xbf\xbf\":1}");
}

static void test_strings(void **state)
{
        assert_canonical("\"\\u0001\\u001f\\b\\t\\n\\u000b\\f\\r\\u007f\\u0020\"",
                         "\"\\u0001\\u001f\\b\\t\\n\\u000b\\f\\r\x7f \"");
        assert_canonical("[ ]", "[]");
        assert_canonical("{\"b\":{ },\"a\":[[1 , 2], \"\"]}", "{\"a\":[[1,2],\"\"],\"b\":{}}");
}

/* Appendix B, those that are integers; and the sample's others. */
static void test_numbers(void **state)
{
        static const struct {
                const char *text, *expected; /* NULL: refused */
        } cases[] = {
                {"0", "0"},
                {"-0", "0"},
                {"-1", "-1"},
                {"9007199254740991", "9007199254740991"},
                {"-9007199254740991", "-9007199254740991"},
                {"9007199254740992", NULL},
                {"-9007199254740992", NULL},
                {"9223372036854775807", NULL},
                {"18446744073709551615", NULL},
                {"333333333.33333329", NULL},
                {"1E30", NULL},
                {"4.50", NULL},
                {"2e-3", NULL},
                {"1.0", NULL},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_(buffer_done) Buffer written = {};
                int r = canonical(cases[i].text, &written);

                assert_int_equal(r, cases[i].expected ? 0 : -ERANGE);
                if (r == 0)
                        assert_string_equal(written.data, cases[i].expected);
        }
}

static void test_refusals(void **state)
{
        _cleanup_json_ json_object *bad = json_object_new_string("a\xff");
        _cleanup_json_ json_object *deep = json_object_new_array();
        _cleanup_(buffer_done) Buffer written = {};

        assert_int_equal(canonical_write(bad, &written), -EBADMSG);
        for (unsigned i = 0; i < 2 * JSON_DEPTH_MAX; i++) {
                json_object *outer = json_object_new_array();

                json_object_array_add(outer, deep);
                deep = outer;
        }
        assert_int_equal(canonical_write(deep, &written), -EBADMSG);
}

/* Whatever the order in which members stand. */
static void test_order(void **state)
{
        _cleanup_(buffer_done) Buffer first = {};
        unsigned seed = 1;

        for (int round = 0; round < 200; round++) {
                _cleanup_json_ json_object *object = json_object_new_object();
                _cleanup_(buffer_done) Buffer written = {};
                int numbers[64];

                for (int i = 0; i < 64; i++)
                        numbers[i] = i;
                for (int i = 63; i > 0; i--) {
                        int with = (int)((seed = seed * 1103515245 + 12345) >> 16) % (i + 1);
                        int kept = numbers[i];

                        with = with < 0 ? -with : with;
                        numbers[i] = numbers[with];
                        numbers[with] = kept;
                }
                for (int i = 0; i < 64; i++) {
                        char name[32];

                        snprintf(name, sizeof(name), "%x%s", numbers[i] * 37,
                                 numbers[i] % 2 ? "\xf0\x9f\x98\x80" : "\xef\xac\xb3");
                        json_object_object_add(object, name, json_object_new_int(numbers[i]));
                }
                assert_int_equal(canonical_write(object, &written), 0);
                if (round == 0)
                        assert_int_equal(buffer_append_text(&first, written.data), 0);
                assert_string_equal(written.data, first.data);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_example),  cmocka_unit_test(test_sorting),
                cmocka_unit_test(test_strings),  cmocka_unit_test(test_numbers),
                cmocka_unit_test(test_refusals), cmocka_unit_test(test_order),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
