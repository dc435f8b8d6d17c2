/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which file system a mount is of, by the mount's number, without asking that file system.
 *
 * Mounts are numbered through the kernel, not through a namespace. The table holds those of this
 * process's namespace and of process 1's: a service of systemd often has a namespace of its own, in
 * which the mounts of everybody else have other numbers. The files are read again when the kernel
 * reports a change (poll(2) of mountinfo, proc(5)), so what is found is never out of date for a
 * descriptor that was received before the question: it keeps its mount, and thus its number.
 *
 * For one thread.
 */

#include "base/filesystem.h"

#define MOUNT_TABLE_MOUNTS_MAX 65536u     /* of both together; those beyond are not found */
#define MOUNT_TABLE_BYTES_MAX (16u << 20) /* of one file */

typedef struct MountTable MountTable;

/* Nothing is read before the first question. NULL without memory. */
MountTable *mount_table_new(void);
MountTable *mount_table_free(MountTable *table);
DEFINE_CLEANUP(MountTable *, mount_table_free)

/* Returns false if no mount has this number: it is in another namespace, or in none. */
bool mount_table_find(MountTable *table, uint64_t mount, Filesystem *ret);
/* How often the files were read, for tests. */
unsigned mount_table_reads(const MountTable *table);
