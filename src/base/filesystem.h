/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * File systems by who answers for their files.
 *
 * A list of those that are known: any other one may have a server, in user space or elsewhere, that
 * takes as long as it likes or never answers, and whom a system call then waits for without an end.
 */

#include <stdint.h>

#include "base/macros.h"

typedef enum FilesystemKind {
        FILESYSTEM_SERVED, /* a server answers: FUSE (virtiofs, too), NFS, CIFS …, and
                            * the unknown */
        FILESYSTEM_LOCAL,  /* this kernel alone does, from memory or a disk */
        FILESYSTEM_KERNEL, /* this kernel does, and writes a file while it is read, for whoever
                              reads it: proc, sysfs and their like */
} FilesystemKind;

/* All strings are static. */
typedef struct Filesystem {
        FilesystemKind kind;
        const char *name; /* for messages */
} Filesystem;

/* By the type that mountinfo names, such as "ext4" or "fuse.sshfs" (proc(5)); the text need not
 * end after `size` bytes. */
Filesystem filesystem_of_type(const char *type, size_t size);
/* By f_type of statfs(2). */
Filesystem filesystem_of_magic(uint64_t magic);
