/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a descriptor that somebody else sent is, found out without asking a server.
 *
 * Most system calls about a file, fstat(2), fstatfs(2) and read(2) among them, ask its file system,
 * and on FUSE, NFS and their like a server that may never answer. Even statx(2) with
 * AT_STATX_DONT_SYNC does so on some (9p asks all the same). So a descriptor's seals, its link in
 * /proc/self/fd and the number of its mount in /proc/self/fdinfo are looked at first: the kernel
 * writes these by itself. The number leads to the type of the file system (base/mount_table.h).
 * Only where that is local is the type of the file asked.
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
/* Judges one that is UNKNOWN by asking its file system (fstatfs(2)) in a child, which is left
 * behind where it is not answered within DESCRIPTOR_ASK_MSEC and counted to `uid`
 * (base/errand.h). Waits that long at most, so call it in a worker. Returns 0, -EUSERS (too many of
 * that uid's are left behind), or another -errno where no child can be made. What does not answer
 * is SERVED. */
int descriptor_ask(int fd, uid_t uid, Descriptor *ret);
