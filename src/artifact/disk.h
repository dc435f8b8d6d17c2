/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The file or block device behind a data disk, opened with the caller's rights.
 *
 * A qcow2 image is its writer's word: one that names another file (a backing or an external data
 * file), is encrypted or is marked corrupt is refused. Formats are never guessed.
 */

#include <sys/types.h>

#include "artifact/caller.h"
#include "spec/spec.h"

/* What makes two disks the same one. */
typedef struct DiskIdentity {
        bool block;      /* a block device: `device` is its own number, and inode 0 */
        uint64_t device; /* else that of its file system */
        uint64_t inode;
} DiskIdentity;

bool disk_identity_equal(const DiskIdentity *a, const DiskIdentity *b);

typedef struct DiskFile {
        int fd; /* owned; O_RDWR or O_RDONLY as the spec says, and nobody else's open file */
        DiskIdentity identity;
} DiskFile;

/* *sent: a descriptor of the caller's, taken on success, or -1: the spec's path is opened.
 * judged: what it was when it was received; not used without one. `field`
 * is disks[N]. InvalidSpec: not the caller's to read or write, neither file nor block device, or an
 * image that is refused. */
int disk_open(const Caller *caller, const SpecDisk *spec, int *sent, const Descriptor *judged,
              const char *field, DiskFile *ret, CvmError *error);

/* Looks at an image's header; fd is borrowed. */
int disk_check_image(int fd, SpecDiskFormat format, const char *field, CvmError *error);
