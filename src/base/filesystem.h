/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * File systems by who answers for their files.
 *
 * This is a list of known file systems. Any other one may have a server, in user space or
 * elsewhere, that answers late or never, and a system call would wait for it without limit.
 */

#include <stdint.h>

#include "base/macros.h"

typedef enum FilesystemKind {
        FILESYSTEM_SERVED, /* a server answers: FUSE (virtiofs, too), NFS, CIFS …, and
                            * the unknown */
        FILESYSTEM_LOCAL,  /* this kernel alone does, from memory or a disk */
        FILESYSTEM_KERNEL, /* this kernel does, and writes a file's content while it is read,
                              depending on the reader: proc, sysfs and the like */
} FilesystemKind;

/* All strings are static. */
typedef struct Filesystem {
        FilesystemKind kind;
        const char *name; /* for messages */
} Filesystem;

/* Looks up the type that mountinfo names, such as "ext4" or "fuse.sshfs" (proc(5)); the text need
 * not end after `size` bytes. */
Filesystem filesystem_of_type(const char *type, size_t size);
/* By f_type of statfs(2). */
Filesystem filesystem_of_magic(uint64_t magic);
