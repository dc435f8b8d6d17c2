/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Descriptors: what they hold, and where they lead. */

#include <stddef.h>

/* Reads a descriptor to its end. As file_read_at() (base/file.h): at most `max` bytes, a NUL after
 * them. Returns 0, -EFBIG or -errno. */
int fd_read_all(int fd, size_t max, char **ret, size_t *ret_size);

/* Writes all bytes to a descriptor, resuming after short writes and EINTR. Returns 0 or -errno. */
int fd_write_all(int fd, const void *data, size_t size);

/* For the start of main(): opens /dev/null at those of the descriptors 0 to 2 that are closed, such
 * that reading from 0 and writing to 1 and 2 fail with EBADF. Otherwise what the program opens next
 * would have their numbers, and get what is meant for standard output. Returns 0 or -errno. */
int fd_occupy_standard(void);

/* The path by which the kernel knows an open file, newly allocated. -ENOENT: the file never had
 * one, such as a socket's, or the path is longer than PATH_MAX. The file may have moved since. */
int fd_read_path(int fd, char **ret);
