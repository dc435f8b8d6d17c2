/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <json-c/json.h>

#include "../../cli/timeline_chart.h"
#include "../../cli/timeline_svg.h"
#include "base/json.h"
#include "base/macros.h"
#include "base/text.h"
#include "leaks.h"

static void test_times(void **state)
{
        static const struct {
                int64_t usec;
                const char *text;
        } cases[] = {
                {0, "0.0 ms"},         {40, "0.0 ms"},         {9940, "9.9 ms"},
                {84000, "84 ms"},      {999499, "999 ms"},     {999500, "1.00 s"},
                {59994999, "59.99 s"}, {59995000, "1m 0s"},    {3599000000, "59m 59s"},
                {3600000000, "1h 0m"}, {90000000000, "1d 1h"}, {INT64_C(31536000000000), "365d 0h"},
        };
        char buffer[TIMELINE_TIME_MAX];

        for (size_t i = 0; i < ARRAY_SIZE(cases); i++)
                assert_string_equal(timeline_time(cases[i].usec, buffer), cases[i].text);
}

static void test_axis(void **state)
{
        char buffer[TIMELINE_TIME_MAX];

        assert_int_equal(timeline_step(2411000, 5), 500000);
        assert_int_equal(timeline_step(2411000, 2), 1000000);
        assert_int_equal(timeline_step(1, 1), 1);
        for (int64_t usec = 1; usec < INT64_C(31536000000000); usec = usec * 3 + 1)
                for (unsigned marks = 1; marks < 20; marks++) {
                        int64_t step = timeline_step(usec, marks);

                        assert_true(step >= 1 && usec / step <= marks);
                        assert_true(step == 1 || usec / step >= marks / 3);
                }
        assert_string_equal(timeline_mark(0, 100, buffer), "0");
        assert_string_equal(timeline_mark(500000, 999999, buffer), "500 ms");
        assert_string_equal(timeline_mark(500000, 2000000, buffer), "0.5 s");
}

/* Reads and draws it. NULL: it has no rows. Newly allocated. */
static char *drawn(const char *reply, size_t width, bool svg)
{
        const TimelineLook look = {.width = width};
        json_object *object;
        Timeline timeline = {};
        char *text = NULL;
        size_t size;
        FILE *stream = open_memstream(&text, &size);

        assert_int_equal(json_parse(reply, strlen(reply), &object, NULL), 0);
        assert_int_equal(timeline_read(object, 1000000, &timeline), 0);
        for (size_t i = 0; i < timeline.n; i++)
                assert_true(0 <= timeline.rows[i].begin &&
                            timeline.rows[i].begin <= timeline.rows[i].end &&
                            timeline.rows[i].end <= timeline.usec);
        if (svg)
                timeline_svg(stream, &timeline);
        else
                timeline_chart(stream, &timeline, &look);
        fclose(stream);
        timeline_done(&timeline);
        json_object_put(object);
        return text;
}

static const char *const replies[] = {
        "{}",
        "{\"cvm\":{},\"stages\":[]}",
        "{\"cvm\":[],\"stages\":{}}",
        "{\"cvm\":{\"startedAt\":9223372036854775807,\"createdAt\":-9223372036854775807,"
        "\"readyAt\":9223372036854775807},\"stages\":[],\"guestUptimeUsec\":9223372036854775807}",
        "{\"cvm\":{\"startedAt\":5,\"readyAt\":9},\"guestUptimeUsec\":-9223372036854775807,"
        "\"stages\":[{\"name\":\"a\",\"at\":-9223372036854775807,"
        "\"durationUsec\":9223372036854775807},{\"name\":\"b\",\"at\":9223372036854775807,"
        "\"durationUsec\":9223372036854775807},{\"at\":1},7,null,{\"name\":\"<&\\u001b\"}]}",
        "{\"cvm\":{\"ending\":{\"at\":-9223372036854775807}},"
        "\"stages\":[{\"name\":\"c\",\"at\":9223372036854775807}]}",
};

static void assert_lines(const char *text, size_t width)
{
        size_t n = 0;

        for (const char *line = text, *end; (end = strchr(line, '\n')); line = end + 1, n++)
                if (n >= 2) /* the title may be longer */
                        assert_true((size_t)(end - line) <= width);
        assert_true(n >= 3);
}

static void test_any_reply(void **state)
{
        for (size_t i = 0; i < ARRAY_SIZE(replies); i++) {
                char *svg = drawn(replies[i], 0, true);

                assert_non_null(strstr(svg, "</svg>\n"));
                assert_null(strstr(svg, "<&"));
                free(svg);
                for (size_t width = TIMELINE_WIDTH_MIN; width < 200; width++) {
                        char *text = drawn(replies[i], width, false);

                        assert_lines(text, width);
                        assert_null(strchr(text, '\033'));
                        free(text);
                }
        }
}

static void test_bars(void **state)
{
        static const char reply[] =
                "{\"cvm\":{\"name\":\"web\",\"startedAt\":400001,\"readyAt\":800001},"
                "\"guestUptimeUsec\":100000,\"stages\":["
                "{\"name\":\"artifacts\",\"at\":1,\"durationUsec\":200000},"
                "{\"name\":\"created\",\"at\":200001,\"durationUsec\":200000}]}";
        char *text = drawn(reply, 64, false); /* 40 columns for bars */

        assert_non_null(strstr(text, "artifacts       200 ms  ##########\n"));
        assert_non_null(strstr(text, "created         200 ms            ##########\n"));
        assert_non_null(strstr(text, "firmware        300 ms"
                                     "                      "
                                     "###############\n"));
        assert_non_null(strstr(text, "kernel, init    100 ms"
                                     "                                     "
                                     "#####\n"));
        free(text);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_times),
                leaks_unit_test(test_axis),
                leaks_unit_test(test_any_reply),
                leaks_unit_test(test_bars),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
