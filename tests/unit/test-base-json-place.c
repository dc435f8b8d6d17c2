/* SPDX-License-Identifier: Apache-2.0 */

/* Where members stand in a text: line and column, in characters. */

#include "test.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/json_place.h"
#include "base/text.h"

static void assert_place(const char *text, const char *path, unsigned line, unsigned column)
{
        _cleanup_json_ json_object *object = NULL;
        JsonMember member = {.path = path, .line = 77, .column = 77};

        assert_int_equal(json_parse(text, strlen(text), &object, NULL), 0);
        json_place_members(text, strlen(text), &member, 1);
        if (member.line != line || member.column != column)
                fail_msg("%s in %.60s: %u:%u, not %u:%u", path, text, member.line, member.column,
                         line, column);
}

static void test_members_and_items(void **state)
{
        static const char text[] = "{\n  \"shares\": [\n    {\"tag\": 1},\n    {\"tag\": 2}\n  ],\n"
                                   "\t\"env\": {\"A B\": 1, \"A.C\": {}, \"\": 3}}";

        assert_place(text, "", 1, 1);
        assert_place(text, "shares", 2, 3);
        assert_place(text, "shares[0]", 3, 5);
        assert_place(text, "shares[1]", 4, 5);
        assert_place(text, "shares[1].tag", 4, 6);
        assert_place(text, "env", 6, 2);
        assert_place(text, "env.A B", 6, 10);
        assert_place(text, "env.A.C", 6, 20);
        assert_place(text, "shares[2]", 0, 0);
        assert_place(text, "shares[1].tags", 0, 0);
        assert_place(text, "share", 0, 0);
        assert_place(text, "env[0]", 0, 0);
        assert_place(" \n 1", "", 2, 2);
        assert_place("[[1,[2]]]", "[0][1][0]", 1, 6);
}

/* Columns count characters, not bytes; a CR at the end of a line is a character of it. */
static void test_columns(void **state)
{
        assert_place("{\"\xc3\xa4\xf0\x9f\x98\x80\":1,\"b\":2}", "b", 1, 9);
        assert_place("{\r\n\"a\":1,\r\n \"b\":2\r\n}", "b", 3, 2);
        assert_place("{\"a\":\"\\n\\u00e4\",\"b\":1}", "b", 1, 17);
        assert_place("{\"\\u0061\\\"\":{\"\\/\":1}}", "a\"./", 1, 14);
}

/* A path that was cut leads to the member that begins like it, any other to its own. */
static void test_cut_paths(void **state)
{
        assert_place("{\"ab\":1,\"abcdef\":2}", "abc\xe2\x80\xa6", 1, 9);
        assert_place("{\"e\":{\"ab\":1,\"abcdef\":2}}", "e.abc\xe2\x80\xa6", 1, 14);
        assert_place("{\"abcdef\":2}", "abc", 0, 0);
}

static void test_many_at_once(void **state)
{
        static const char text[] = "{\"b\":1,\n\"a\":{\"c\":[2,3]},\n\"d\":4}";
        JsonMember members[] = {{"d"}, {"a.c[1]"}, {"b"}, {"none"}, {"a"}, {"a"}, {""}};
        const unsigned places[][2] = {{3, 1}, {2, 13}, {1, 2}, {0, 0}, {2, 1}, {2, 1}, {1, 1}};

        json_place_members(text, strlen(text), members, ARRAY_SIZE(members));
        for (size_t i = 0; i < ARRAY_SIZE(members); i++) {
                assert_int_equal(members[i].line, places[i][0]);
                assert_int_equal(members[i].column, places[i][1]);
        }
}

/* One line of 1 MiB, and as many values as a text may have: one walk for all that is looked for. */
static void test_long_line(void **state)
{
        _cleanup_(buffer_done) Buffer text = {};
        JsonMember members[JSON_PLACE_MAX];
        char paths[JSON_PLACE_MAX][24];
        int64_t start;

        assert_int_equal(buffer_append_text(&text, "{\"a\":["), 0);
        for (unsigned i = 0; i < 100000; i++)
                assert_int_equal(buffer_appendf(&text, "{\"n\":%05u},", i), 0);
        assert_int_equal(buffer_append_text(&text, "0]}"), 0);
        for (unsigned i = 0; i < JSON_PLACE_MAX; i++) {
                snprintf(paths[i], sizeof(paths[i]), "a[%u].n", 99999 - i);
                members[i] = (JsonMember){.path = paths[i]};
        }
        start = clock_monotonic_msec();
        json_place_members(text.data, text.size, members, JSON_PLACE_MAX);
        assert_true(clock_monotonic_msec() - start < 20000); /* else: a walk for each */
        for (unsigned i = 0; i < JSON_PLACE_MAX; i++) {
                assert_int_equal(members[i].line, 1);
                assert_int_equal(members[i].column, 8 + 12 * (99999 - i));
        }
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_members_and_items), cmocka_unit_test(test_columns),
                cmocka_unit_test(test_cut_paths),         cmocka_unit_test(test_many_at_once),
                cmocka_unit_test(test_long_line),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
