/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Trees of files, removed. */

/* Removes a file or a whole tree below dirfd, however deep; never follows a symlink, never enters a
 * mount (-EXDEV). Absent is success. Continues after a failure. Returns 0 or the first -errno. */
int tree_remove_at(int dirfd, const char *name);
