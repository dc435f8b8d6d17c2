/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every unit test includes: cmocka with its needed headers, in their order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

/* cmocka 1.1 prints "not ok N # SKIP" for a test that calls skip(), which is a failure to Meson and
 * others that read TAP: lines are mended on their way. */
static ssize_t test_write_tap(void *cookie, const char *data, size_t size)
{
        static const char bad[] = "not ok ";
        const char *end = data + size;

        for (const char *line = data, *next; line < end; line = next) {
                const char *nl = memchr(line, '\n', (size_t)(end - line));
                size_t length;

                next = nl ? nl + 1 : end;
                length = (size_t)(next - line);
                if (length > strlen(bad) && memcmp(line, bad, strlen(bad)) == 0 &&
                    memmem(line, length, "# SKIP", strlen("# SKIP"))) {
                        line += strlen("not ");
                        length -= strlen("not ");
                }
                while (length > 0) {
                        ssize_t n = write(STDOUT_FILENO, line, length);

                        if (n < 0 && errno != EINTR)
                                return -1;
                        line += n > 0 ? n : 0;
                        length -= n > 0 ? (size_t)n : 0;
                }
        }
        return (ssize_t)size;
}

__attribute__((constructor)) static void test_mend_tap(void)
{
        const char *output = getenv("CMOCKA_MESSAGE_OUTPUT");
        FILE *mended;

        if (!output || strcasecmp(output, "TAP") != 0)
                return;
        mended = fopencookie(NULL, "w", (cookie_io_functions_t){.write = test_write_tap});
        if (!mended)
                abort();
        setvbuf(mended, NULL, _IOLBF, BUFSIZ);
        stdout = mended;
}

/* A path in the source tree, newly allocated; the test is run by Meson, or with CVMD_SOURCE_ROOT
 * set. */
static inline char *source_path(const char *relative)
{
        const char *root = getenv("CVMD_SOURCE_ROOT");
        char *path;

        if (!root)
                fail_msg("CVMD_SOURCE_ROOT is not set");
        if (asprintf(&path, "%s/%s", root, relative) < 0)
                fail_msg("no memory");
        return path;
}

/* Lane valgrind, where a program takes about fifty times as long, sets VALGRIND_LIB. */
static inline bool test_under_valgrind(void)
{
        return getenv("VALGRIND_LIB");
}

/* The step of a loop that tries all of very many cases: under valgrind each n-th alone. */
static inline size_t test_stride(size_t n)
{
        return test_under_valgrind() ? n : 1;
}
