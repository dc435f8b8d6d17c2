/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A private directory for one test case: `_cleanup_(directory_remove) char *d
 * = directory_make();` */

#include <fcntl.h>

#include "base/file.h"
#include "base/tree.h"

static inline char *directory_make(void)
{
        char *path = NULL;

        if (asprintf(&path, "%s/cvmd-test-XXXXXX", getenv("TMPDIR") ?: "/tmp") < 0 ||
            !mkdtemp(path))
                fail_msg("cannot make a directory");
        return path;
}

static inline void directory_remove(char **path)
{
        assert_int_equal(tree_remove_at(AT_FDCWD, *path), 0);
        free(*path);
}
