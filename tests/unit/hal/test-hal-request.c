/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "request.h"

#define ZEROS "0000000000000000000000000000000000000000000000000000000000000000"

static void test_accepted(void **state)
{
        static const struct {
                const char *line;
                bool has_nonce;
                const char *nonce; /* its first bytes */
                size_t size;
        } cases[] = {
                {"{}", false, "", 0},
                {" { } \r", false, "", 0},
                {"{\"nonce\":null}", false, "", 0},
                {"{\"nonce\":\"AA==\"}", true, "\0", 1},
                {"{\"nonce\": \"aGVsbG8=\"}", true, "hello", 5},
                {"{\"nonce\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
                 "QUFBQUFBQUFBQUFBQUFBQQ==\"}",
                 true, "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA", 64},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                uint8_t expected[REPORT_NONCE_SIZE] = {};
                _cleanup_free_ char *reason = NULL;
                Request request;

                memcpy(expected, cases[i].nonce, cases[i].size);
                assert_int_equal(
                        request_parse(cases[i].line, strlen(cases[i].line), &request, &reason), 0);
                assert_null(reason);
                assert_int_equal(request.has_nonce, cases[i].has_nonce);
                assert_memory_equal(request.nonce, expected, sizeof(expected));
        }
}

static void test_proof(void **state)
{
        static const char line[] = "{\"proof\":\"" ZEROS "\",\"nonce\":\"AA==\"}";
        _cleanup_free_ char *reason = NULL;
        Request request;

        assert_int_equal(request_parse(line, strlen(line), &request, &reason), 0);
        assert_true(request.has_proof && request.has_nonce);
        assert_int_equal(request_parse("{}", 2, &request, &reason), 0);
        assert_false(request.has_proof);
}

static void test_refused(void **state)
{
        static const struct {
                const char *line, *reason; /* how the reason begins */
        } cases[] = {
                {"", "not valid JSON (column 1): "},
                {"{", "not valid JSON (column "},
                {"{}{}", "not valid JSON (column "},
                {"{}x", "not valid JSON (column "},
                {"\xff", "not valid JSON (column "},
                {"{\"nonce\":\"AA==\",\"nonce\":\"AA==\"}", "not valid JSON (column "},
                {"{\"nonce\":\"AA==\",\"proof\":1}", "proof: must be 64 hex digits"},
                {"{\"nonce\":\"AA==\",\"proof\":\"00\"}", "proof: must be 64 hex digits"},
                {"{\"proof\":\"" ZEROS "\"}", "proof: requires a nonce"},
                {"[]", "must be a JSON object"},
                {"null", "must be a JSON object"},
                {"\"x\"", "must be a JSON object"},
                {"{\"a\":1}", "has an unknown member"},
                {"{\"Nonce\":\"AA==\"}", "has an unknown member"},
                {"{\"nonce\":1}", "nonce: must be a string"},
                {"{\"nonce\":{}}", "nonce: must be a string"},
                {"{\"nonce\":\"A\"}", "nonce: must be base64"},
                {"{\"nonce\":\"AA==\\n\"}", "nonce: must be base64"},
                {"{\"nonce\":\"\"}", "nonce: must be 1 to 64 bytes"},
                {"{\"nonce\":\"QUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFBQUFB"
                 "QUFBQUFBQUFBQUFBQUFBQUE=\"}",
                 "nonce: must be 1 to 64 bytes"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
                _cleanup_free_ char *reason = NULL;
                Request request;

                assert_int_equal(
                        request_parse(cases[i].line, strlen(cases[i].line), &request, &reason),
                        -EBADMSG);
                assert_non_null(reason);
                if (strncmp(reason, cases[i].reason, strlen(cases[i].reason)) != 0)
                        fail_msg("%s: %s", cases[i].line, reason);
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_accepted),
                cmocka_unit_test(test_proof),
                cmocka_unit_test(test_refused),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
