/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "host/library.h"
#include "test.h"

static void test_found(void **state)
{
        Library library;
        size_t (*length)(const char *) = NULL;

        library_load(&library, "libc.so.6", "the C library");
        library_find(&library, "strlen", &length);
        assert_true(library.complete);
        assert_int_equal(length("four"), 4);
}

static void test_no_library(void **state)
{
        Library library;
        void *function = NULL;

        library_load(&library, "libno-such.so.1", "the library");
        library_find(&library, "strlen", &function);
        assert_false(library.complete);
        assert_null(function);
        assert_non_null(strstr(library.failure, "the library cannot be loaded: libno-such.so.1"));
}

/* The first that is missing is named; what comes after it does not count. */
static void test_too_old(void **state)
{
        Library library;
        void *function = NULL;

        library_load(&library, "libc.so.6", "the C library");
        library_find(&library, "no_such_function", &function);
        library_find(&library, "strlen", &function);
        assert_false(library.complete);
        assert_null(function);
        assert_non_null(strstr(library.failure, "no_such_function"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_found),
                cmocka_unit_test(test_no_library),
                cmocka_unit_test(test_too_old),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
