/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/text.h"

static void test_size(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t size;
        } cases[] = {
                {"8G", 0, UINT64_C(8) << 30},
                {"512M", 0, UINT64_C(512) << 20},
                {"1K", 0, 1024},
                {"1T", 0, UINT64_C(1) << 40},
                {"4096", 0, 4096},
                {"", -EINVAL, 0},
                {"G", -EINVAL, 0},
                {"-1", -EINVAL, 0},
                {" 1", -EINVAL, 0},
                {"8g", 0, UINT64_C(8) << 30},
                {"2GiB", 0, UINT64_C(2) << 30},
                {"2Ti", 0, UINT64_C(2) << 40},
                {"3kiB", 0, 3072},
                {"1.5G", 0, UINT64_C(1536) << 20},
                {"0.25m", 0, 256 << 10},
                {"1.000001K", 0, 1024},
                {"0.999999T", 0, UINT64_C(1099510528264)},
                {"1.0000001K", -EINVAL, 0},
                {"1.G", -EINVAL, 0},
                {".5G", -EINVAL, 0},
                {"1.5", -EINVAL, 0},
                {"1.5.5G", -EINVAL, 0},
                {"8GB", -EINVAL, 0},
                {"8GIB", -EINVAL, 0},
                {"8Gib", -EINVAL, 0},
                {"8Gi ", -EINVAL, 0},
                {"8P", -EINVAL, 0},
                {"8388607.999999T", 0, (INT64_C(8388607) << 40) + INT64_C(1099510528264)},
                {"8388608.5T", -ERANGE, 0},
                {"9223372036854775807", 0, INT64_MAX},
                {"9223372036854775808", -ERANGE, 0},
                {"8388608T", -ERANGE, 0},
                {"99999999999999999999", -ERANGE, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint64_t size = 0;

                assert_int_equal(text_parse_size(cases[i].text, &size), cases[i].r);
                assert_int_equal(size, cases[i].size);
        }
}

static void test_seconds(void **state)
{
        static const struct {
                const char *text;
                int r;
                uint64_t seconds;
        } cases[] = {
                {"90", 0, 90},
                {"90s", 0, 90},
                {"5m", 0, 300},
                {"1h", 0, 3600},
                {"1h30m", 0, 5400},
                {"1d2h3m4s", 0, 93784},
                {"0s", -ERANGE, 0},
                {"", -EINVAL, 0},
                {"m", -EINVAL, 0},
                {"1.5h", -EINVAL, 0},
                {"30m1h", -EINVAL, 0},
                {"1m1m", -EINVAL, 0},
                {"1h30", -EINVAL, 0},
                {"1 h", -EINVAL, 0},
                {"1H", -EINVAL, 0},
                {"-1s", -EINVAL, 0},
                {"1ms", -EINVAL, 0},
                {"2d", 0, 172800},
                {"2d1s", -ERANGE, 0},
                {"9223372036854775807d", -ERANGE, 0},
                {"99999999999999999999s", -ERANGE, 0},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint64_t seconds = 0;

                assert_int_equal(text_parse_seconds(cases[i].text, 1, 172800, &seconds),
                                 cases[i].r);
                assert_int_equal(seconds, cases[i].seconds);
        }
}

static void test_format_size(void **state)
{
        char buffer[24];

        assert_string_equal(text_format_size(UINT64_C(8) << 30, buffer), "8G");
        assert_string_equal(text_format_size(UINT64_C(1536) << 20, buffer), "1536M");
        assert_string_equal(text_format_size(1000, buffer), "1000");
        assert_string_equal(text_format_size(0, buffer), "0");
        assert_string_equal(text_format_size(UINT64_C(4096) << 40, buffer), "4096T");
}

static void test_utf8(void **state)
{
        assert_true(text_is_utf8("a\xc3\xa4\xe2\x82\xac\xf0\x9f\x98\x80", 10));
        assert_false(text_is_utf8("\xc0\xaf", 2));         /* overlong */
        assert_false(text_is_utf8("\xed\xa0\x80", 3));     /* surrogate */
        assert_false(text_is_utf8("\xf4\x90\x80\x80", 4)); /* beyond U+10FFFF */
        assert_false(text_is_utf8("\xe2\x82", 2));         /* cut short */

        _cleanup_free_ char *fixed = text_make_utf8("a\xff"
                                                    "b",
                                                    3);
        assert_string_equal(fixed, "a\xef\xbf\xbd"
                                   "b");
        _cleanup_free_ char *escaped = text_escape_control("a\nb\x1b[0m");
        assert_string_equal(escaped, "a\\nb\\x1b[0m");
        _cleanup_free_ char *c1 = text_escape_control("\xc2\x9b"
                                                      "31m\xc2\xa0\xc3\x9b");
        assert_string_equal(c1, "\\x9b31m\xc2\xa0\xc3\x9b");
}

static void test_escape(void **state)
{
        static const char *const kept[] = {"caf\u00e9 \u20ac \U0001f600", "\u0645\u200c\u0646",
                                           "\U0001f468\u200d\U0001f469", "\u00a0\u3000\ufffd"};
        static const struct {
                const char *text, *escaped, *json;
        } rows[] = {
                {"a\u202eb", "a\\u202eb", "a\\u202eb"},
                {"\u202a\u2066\u2069", "\\u202a\\u2066\\u2069", "\\u202a\\u2066\\u2069"},
                {"\u061c\u200e\u200f", "\\u061c\\u200e\\u200f", "\\u061c\\u200e\\u200f"},
                {"\u2028\u2029\ufeff", "\\u2028\\u2029\\ufeff", "\\u2028\\u2029\\ufeff"},
                {"x\u00ad\u200b\u2060", "x\\u00ad\\u200b\\u2060", "x\\u00ad\\u200b\\u2060"},
                {"\U000e0041", "\\U000e0041", "\\udb40\\udc41"},
                {"\xc2\x9b", "\\x9b", "\\u009b"},
                {"a\xff\xe2\x80", "a\\xff\\xe2\\x80", "a\xff\xe2\x80"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(kept); i++) {
                _cleanup_free_ char *escaped = text_escape_control(kept[i]);
                _cleanup_free_ char *json = text_escape_json(kept[i]);

                assert_string_equal(escaped, kept[i]);
                assert_string_equal(json, kept[i]);
        }
        for (size_t i = 0; i < ARRAY_SIZE(rows); i++) {
                _cleanup_free_ char *escaped = text_escape_control(rows[i].text);
                _cleanup_free_ char *json = text_escape_json(rows[i].text);

                assert_string_equal(escaped, rows[i].escaped);
                assert_string_equal(json, rows[i].json);
        }
}

static void test_base64(void **state)
{
        static const char *const bad[] = {"A", "AAA", "A===", "AA=A", "AA A", "AAA\n", "===="};
        uint8_t *data = NULL;
        size_t size;

        assert_int_equal(text_unbase64("AP8Q", &data, &size), 0);
        assert_int_equal(size, 3);
        assert_memory_equal(data, "\x00\xff\x10", 3);
        _cleanup_free_ char *again = text_base64(data, size);
        assert_string_equal(again, "AP8Q");
        free(data);
        assert_int_equal(text_unbase64("YQ==", &data, &size), 0);
        assert_int_equal(size, 1);
        free(data);
        assert_int_equal(text_unbase64("", &data, &size), 0);
        assert_int_equal(size, 0);
        free(data);
        for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
                assert_int_equal(text_unbase64(bad[i], &data, &size), -EBADMSG);
}

static void test_buffer(void **state)
{
        _cleanup_(buffer_done) Buffer buffer = {};

        for (int i = 0; i < 1000; i++)
                assert_int_equal(buffer_appendf(&buffer, "%d,", i), 0);
        assert_int_equal(buffer.size, 10 * 2 + 90 * 3 + 900 * 4);
        buffer_consume(&buffer, buffer.size - 4);
        assert_string_equal(buffer.data, "999,");
}

/* One of a given size is like one that has grown to it: it ends in a NUL, and can shrink. */
static void test_buffer_of_a_size(void **state)
{
        _cleanup_(buffer_done) Buffer buffer = {};
        char *data = buffer_make(&buffer, 8);

        assert_ptr_equal(data, buffer.data);
        assert_int_equal(buffer.size, 8);
        assert_true(buffer.allocated > buffer.size);
        memcpy(data, "12345678", 8);
        assert_string_equal(buffer.data, "12345678");
        buffer_consume(&buffer, 3);
        assert_string_equal(buffer.data, "45678");
        assert_int_equal(buffer_append_text(&buffer, "9"), 0);
        assert_string_equal(buffer.data, "456789");
}

/* Only the last bytes stay, however they come, and the text without white space at its end. */
static void test_last_bytes(void **state)
{
        _cleanup_(buffer_done) Buffer buffer = {};

        assert_string_equal(buffer_trim_end(&buffer), "");
        assert_int_equal(buffer_append_last(&buffer, "abc", 3, 5), 0);
        assert_int_equal(buffer_append_last(&buffer, "def", 3, 5), 0);
        assert_string_equal(buffer.data, "bcdef");
        assert_int_equal(buffer_append_last(&buffer, "0123456789", 10, 5), 0);
        assert_string_equal(buffer.data, "56789");
        assert_int_equal(buffer_append_last(&buffer, "\r\n ", 3, 5), 0);
        assert_string_equal(buffer_trim_end(&buffer), "89");
        assert_int_equal(buffer.size, 2);
        assert_int_equal(buffer_append_last(&buffer, " \n", 2, 2), 0);
        assert_string_equal(buffer_trim_end(&buffer), "");
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_size),        cmocka_unit_test(test_seconds),
                cmocka_unit_test(test_format_size), cmocka_unit_test(test_utf8),
                cmocka_unit_test(test_escape),      cmocka_unit_test(test_base64),
                cmocka_unit_test(test_buffer),      cmocka_unit_test(test_buffer_of_a_size),
                cmocka_unit_test(test_last_bytes),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
