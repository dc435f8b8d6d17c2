/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files and directories, by directory descriptor where a path could be swapped. */

#include <sys/types.h>

#include "base/macros.h"

/* Reads a whole file of at most `max` bytes, with a NUL after its end. Returns 0, -EFBIG if it is
 * longer, or -errno. `dirfd` may be AT_FDCWD. */
int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);

/* What a failure (-errno) to open, read or write a file that a user has named is about. */
typedef enum FileFault {
        FILE_FAULT_FILE,     /* something about the file: it is not what it must be */
        FILE_FAULT_SHORTAGE, /* this process or the host has no descriptor, memory or space left */
        FILE_FAULT_HOST,     /* its disk or its server fails */
} FileFault;

FileFault file_fault(int r);

/* The path of `name` in a directory that belongs to this process, or of the directory itself if
 * name is NULL; for messages. Newly allocated. If the directory's path is not known, it is `name`
 * alone. */
char *file_path_at(int dirfd, const char *name);

/* Replaces a file atomically: temporary file in the same directory, mode, fsync, rename.
 * On failure the old file is untouched and no temporary file is left. */
int file_write_atomic_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode);
/* Does the same without fsync: readers find the old bytes or the new ones, but after a crash of the
 * host the file may be empty or torn. *ret_fd: the new file, which the caller owns and syncs. */
int file_replace_at(int dirfd, const char *name, const void *data, size_t size, mode_t mode,
                    int *ret_fd);
