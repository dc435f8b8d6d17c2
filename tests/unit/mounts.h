/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Mounts that nobody else sees and that go with the test program, however it ends. */

#include <sched.h>
#include <stdbool.h>
#include <sys/mount.h>

/* false, with errno: this process may not (it needs root). */
static inline bool mount_privately(const char *type, const char *path, const char *options)
{
        if (unshare(CLONE_NEWNS) < 0 || mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) < 0)
                return false;
        return mount("test", path, type, MS_NODEV | MS_NOSUID, options) == 0;
}
