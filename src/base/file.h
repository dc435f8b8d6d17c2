/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Files and directories, by directory descriptor where a path could be swapped. */

#include <sys/types.h>

#include "base/macros.h"

/* Reads a whole file of at most `max` bytes, with a NUL after its end. Returns 0, -EFBIG if it is
 * longer, or -errno. `dirfd` may be AT_FDCWD. */
int file_read_at(int dirfd, const char *path, size_t max, char **ret, size_t *ret_size);

/* Reads a descriptor to its end, with the same bound and results. */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size);

/* What a failure (-errno) to open, read or write a file that a user has named is about. */
typedef enum FileFault {
        FILE_FAULT_FILE,     /* something about the file: it is not what it must be */
        FILE_FAULT_SHORTAGE, /* this process or the host has no descriptor, memory or space left */
        FILE_FAULT_HOST,     /* its disk or its server fails */
} FileFault;

FileFault file_fault(int r);

/* The path by which the kernel knows an open file, newly allocated. -ENOENT: the file never had
 * one, such as a socket's, or the path is longer than PATH_MAX. The file may have moved since. */
int fd_read_path(int fd, char **ret);

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

/* Opens (O_DIRECTORY | O_NOFOLLOW) a directory that only its owner can use, creating it with its
 * missing parents (0755) if needed. An existing one must belong to this process's uid and must not
 * be writable by others; `mode` is then set. Returns the fd or -errno: -EPERM for a foreign owner
 * or unsafe mode, -ENOTDIR for anything but a directory. */
int dir_open_private(const char *path, mode_t mode);

/* Removes a file or a whole tree below dirfd, however deep; never follows a symlink, never enters a
 * mount (-EXDEV). Absent is success. Continues after a failure. Returns 0 or the first -errno. */
int tree_remove_at(int dirfd, const char *name);
