/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What every unit test includes: cmocka with its needed headers, in their order. */

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
