/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The file systems that are mounted below a directory, as this process's mount namespace has them
 * (proc(5), mountinfo): what a recursive copy of the directory's mount carries along.
 */

#include "base/macros.h"

typedef struct MountBelow {
        char *path;      /* owned; its mount point, relative to this process's root */
        char *type;      /* owned; of the file system */
        bool unbindable; /* no copy contains it (mount_namespaces(7), MS_UNBINDABLE) */
} MountBelow;

typedef struct MountsBelow {
        MountBelow *list; /* owned */
        size_t n;
} MountsBelow;

/* directory: any descriptor of it; mountinfo: "/proc/self/mountinfo". Only mounts on top of the
 * descriptor's own mount count, whatever else is at its path. Asks no file system, so that a
 * dead one does not delay it. Returns 0, -E2BIG for more than `max`, or -errno. */
int mounts_below_read(int directory, const char *mountinfo, size_t max, MountsBelow *ret);
void mounts_below_done(MountsBelow *mounts);
