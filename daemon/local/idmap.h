/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A directory seen through an id-mapped mount (mount_setattr(2), MOUNT_ATTR_IDMAP): what belongs to
 * its user on disk belongs to the CVM's own uid in QEMU, and the reverse for what QEMU creates. The
 * directory itself is never changed; files of other users keep being theirs. File systems that are
 * mounted below the directory are seen likewise, as they were at that moment.
 */

#include <stdbool.h>
#include <sys/types.h>

#include "base/error.h"

#define IDMAP_MOUNTS_MAX 64u /* below one directory */

typedef struct IdMap {
        uid_t uid, vm_uid; /* on disk, in QEMU */
        gid_t gid, vm_gid;
} IdMap;

/* Whether the directory is in the daemon's mount namespace; only there can it be mapped. */
bool idmap_is_here(int dirfd);
/* A detached mount of the directory and of all below it, nosuid and nodev; gone with the
 * descriptor. Needs root; blocks for a moment; thread-safe. dirfd is borrowed. InvalidSpec for
 * `field` where a file system cannot be mapped, with the paths of those below that cannot. Returns
 * 0 and an O_PATH descriptor, or -errno. */
int idmap_open(int dirfd, const IdMap *map, bool read_only, const char *field, int *ret,
               CvmError *error);
