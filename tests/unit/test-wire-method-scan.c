/* SPDX-License-Identifier: Apache-2.0 */

/* The method of a call, found in its bytes as they come. */

#include "test.h"

#include "wire/method_scan.h"

#define LONG_127                                                                                   \
        "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"                         \
        "mmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmmm"

/* In pieces of each size. */
static void expect(const char *text, const char *method)
{
        size_t size = strlen(text);

        for (size_t piece = 1; piece <= size; piece++) {
                WireMethodScan scan = {};

                for (size_t at = 0; at < size; at += piece)
                        wire_method_scan(&scan, text + at, size - at < piece ? size - at : piece);
                if (method && !wire_method_scan_result(&scan))
                        fail_msg("not found in %s by pieces of %zu", text, piece);
                if (method)
                        assert_string_equal(wire_method_scan_result(&scan), method);
                else
                        assert_null(wire_method_scan_result(&scan));
        }
}

static void test_found(void **state)
{
        expect("{\"method\":\"t.Echo\"", "t.Echo");
        expect(" \t\r\n{ \"method\" :\n \"t.Echo\" , \"parameters\": {}}", "t.Echo");
        expect("{\"method\":\"\"}", "");
        expect("{\"more\":true,\"method\":\"t.Echo\"}", "t.Echo");
        expect("{\"x\":-1.5e3 ,\"y\":null,\"method\":\"t.Echo\"}", "t.Echo");
        expect("{\"x\":\"a\\\"b,\\\\\",\"method\":\"t.Echo\"}", "t.Echo");
        expect("{\"parameters\":{\"method\":\"t.No\",\"a\":[{\"method\":\"t.No\"},\"]}\",{}]},"
               "\"method\":\"t.Echo\"}",
               "t.Echo");
        expect("{\"a\":[],\"b\":{},\"c\":[[{}]],\"method\":\"t.Echo\"}", "t.Echo");
        expect("{\"method\":1,\"method\":\"t.Echo\"}", "t.Echo");
        expect("{\"method\":\"" LONG_127 "\"}", LONG_127);
        /* the first one counts; the parser refuses it for the second */
        expect("{\"method\":\"t.Echo\",\"method\":\"t.No\"}", "t.Echo");
}

static void test_not_found(void **state)
{
        expect("{\"method\":\"t.Echo", NULL);
        expect("{\"method\":", NULL);
        expect("{\"methods\":\"t.Echo\"}", NULL);
        expect("{\"metho\":\"t.Echo\"}", NULL);
        expect("{\"parameters\":{\"method\":\"t.Echo\"}}", NULL);
        expect("{\"parameters\":[\"method\",\"t.Echo\"]}", NULL);
        expect("{\"method\":{\"method\":\"t.Echo\"}}", NULL);
        expect("{}  {\"method\":\"t.Echo\"}", NULL);
        expect("[{\"method\":\"t.Echo\"}]", NULL);
        expect("\"method\":\"t.Echo\"", NULL);
        expect("{\"a\":1}{\"method\":\"t.Echo\"}", NULL);
        expect("{,\"method\":\"t.Echo\"}", NULL);
        expect("{\"method\" \"t.Echo\"}", NULL);
        expect("{\"method\":\"x" LONG_127 "\"}", NULL);
        /* spelt otherwise: left to the parser */
        expect("{\"m\\u0065thod\":\"t.Echo\"}", NULL);
        expect("{\"method\":\"t.\\u0045cho\"}", NULL);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found),
                cmocka_unit_test(test_not_found),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
