/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Directories of this program's own. */

#include <sys/types.h>

#include "base/macros.h"

/* Opens (O_DIRECTORY | O_NOFOLLOW) a directory that only its owner can use, creating it with its
 * missing parents (0755) if needed. An existing one must belong to this process's uid and must not
 * be writable by others; `mode` is then set. Returns the fd or -errno: -EPERM for a foreign owner
 * or unsafe mode, -ENOTDIR for anything but a directory. */
int dir_open_private(const char *path, mode_t mode);
