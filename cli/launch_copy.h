/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Files that a server answers for (FUSE, NFS and all that is not known as local,
 * base/filesystem.h). The daemon takes no descriptor of one: it would wait for that server. What
 * boots is therefore copied into memory here, with the user's own rights and before the call, and a
 * disk or a share is named by its path.
 */

#include "arguments.h"
#include "exit.h"

/* May wait for the server. */
bool launch_copy_is_served(int fd);
/* Replaces *fd, a regular file, by a sealed copy in memory, at its beginning. Shows how far it is.
 * A file longer than `max` bytes, and one that cannot be read to its end, is refused under the
 * field's name. */
ExitStatus launch_copy(const Cli *cli, const char *field, const char *path, uint64_t max, int *fd);
