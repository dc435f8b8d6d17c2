/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Finds out what kind of file a descriptor from another process refers to, without asking a server.
 *
 * Most system calls about a file, such as fstat(2), fstatfs(2) and read(2), ask its file system,
 * and on FUSE, NFS and similar file systems a server that may never answer. Even statx(2) with
 * AT_STATX_DONT_SYNC asks the server on some (9p). So a descriptor's seals, its link in
 * /proc/self/fd and the number of its mount in /proc/self/fdinfo are examined first: the kernel
 * provides these by itself. The number leads to the type of the file system (base/mount_table.h).
 * Only if that file system is local is the type of the file asked for.
 */

#include <sys/types.h>

#include "base/mount_table.h"

typedef enum DescriptorKind {
        DESCRIPTOR_USABLE,  /* a regular file, directory or block device without a server; a file of
                               memory (memfd_create(2)) is one */
        DESCRIPTOR_UNKNOWN, /* a file of a mount that is not known: descriptor_ask() */
        DESCRIPTOR_SERVED,  /* a file that a server may answer for */
        DESCRIPTOR_USELESS, /* a socket, a pipe, a character device, …: no method takes one */
} DescriptorKind;

typedef struct Descriptor {
        DescriptorKind kind;
        const char *what; /* for messages: "a socket"; of SERVED the file system, "FUSE"; static */
} Descriptor;

/* Never waits. mounts: NULL knows none. */
Descriptor descriptor_judge(int fd, MountTable *mounts);

#define DESCRIPTOR_ASK_MSEC 3000
/* Judges a descriptor that is UNKNOWN by asking its file system (fstatfs(2)) in a child, which is
 * counted to `uid` and is left behind if it has no answer within DESCRIPTOR_ASK_MSEC
 * (base/errand.h). Waits that long at most, so call it in a worker. A file system that does not
 * answer is SERVED. Returns 0, -EUSERS (too many children of that uid are left behind), or another
 * -errno if no child can be made. */
int descriptor_ask(int fd, uid_t uid, Descriptor *ret);
