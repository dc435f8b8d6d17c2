/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include "base/text.h"
#include "leaks.h"
#include "vm/vm_guest.h"

#define PANIC "Kernel panic - not syncing: "
#define END "---[ end " PANIC "x ]---\r\n"

/* Feeds the text in pieces of so many bytes. */
static char *feed(PanicLine *line, const char *text, size_t piece)
{
        size_t left = strlen(text);
        char *found = NULL;

        while (left && !found) {
                size_t n = piece < left ? piece : left;

                found = panic_line_feed(line, text, n);
                text += n;
                left -= n;
        }
        return found;
}

static void assert_found(const char *text, const char *wanted)
{
        for (size_t piece = 1; piece < 80; piece++) {
                PanicLine line = {};
                _cleanup_free_ char *found = feed(&line, text, piece);

                if (wanted)
                        assert_string_equal(found, wanted);
                else
                        assert_null(found);
        }
}

static void test_found(void **state)
{
        assert_found(PANIC "no init\n", PANIC "no init");
        assert_found("[    0.728942] " PANIC "x\r\n" END, PANIC "x");
        assert_found("[12345.000001][    T1] " PANIC "x\r\n", PANIC "x");
        assert_found("[    0.000001][  C127] " PANIC "x\n", PANIC "x");
        assert_found("ok\r\n\n\n" PANIC "\r\n", PANIC);
        assert_found(PANIC "a\xff\xfe\n", PANIC "a\xef\xbf\xbd\xef\xbf\xbd");
}

static void test_not_found(void **state)
{
        assert_found("", NULL);
        assert_found("\n\r\n\n", NULL);
        assert_found(END, NULL);
        assert_found(PANIC "unfinished", NULL);
        assert_found("# grep '" PANIC "' log\r\n", NULL);
        assert_found("[    0.7][    T1][    T2] " PANIC "x\n", NULL);
        assert_found("[root@vm ~] " PANIC "x\n", NULL);
        assert_found("[0.7]" PANIC "x\n[0.7\n[\n[]\n[] \n", NULL);
        assert_found("kernel panic - not syncing: x\nKernel panic - not syncing:x\n", NULL);
}

/* A line is kept up to its bound, and the next one begins afresh. */
static void test_bounded(void **state)
{
        _cleanup_free_ char *flood = malloc(100001), *found = NULL;
        PanicLine line = {};

        assert_non_null(flood);
        memset(flood, 'a', 100000);
        flood[100000] = 0;
        assert_null(feed(&line, flood, 4096));
        assert_int_equal(line.size, PANIC_LINE_MAX);
        assert_null(feed(&line, PANIC "x\n", 4096)); /* not at the start of its line */
        assert_int_equal(line.size, 0);
        assert_null(feed(&line, PANIC, 7));
        assert_null(feed(&line, flood, 4096));
        found = feed(&line, "\n", 1);
        assert_int_equal(strlen(found), PANIC_LINE_MAX);
        assert_memory_equal(found, PANIC "aaa", strlen(PANIC "aaa"));
}

/* Zeros and what is cut in the middle of a character are text in the end. */
static void test_any_bytes(void **state)
{
        char bytes[PANIC_LINE_MAX + 8] = PANIC "a\0b";
        _cleanup_free_ char *zero = NULL, *cut = NULL;
        PanicLine line = {};

        bytes[strlen(PANIC) + 3] = '\n';
        zero = panic_line_feed(&line, bytes, strlen(PANIC) + 4);
        assert_true(zero && text_is_utf8(zero, strlen(zero)));
        memcpy(bytes, PANIC, strlen(PANIC));
        for (size_t i = strlen(PANIC); i < sizeof(bytes); i++)
                bytes[i] = "\xe2\x82\xac"[i % 3];
        bytes[sizeof(bytes) - 1] = '\n';
        cut = panic_line_feed(&line, bytes, sizeof(bytes));
        assert_true(cut && text_is_utf8(cut, strlen(cut)));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_found),
                leaks_unit_test(test_not_found),
                leaks_unit_test(test_bounded),
                leaks_unit_test(test_any_bytes),
        };
        return cmocka_run_group_tests(tests, NULL, NULL);
}
