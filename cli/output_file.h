/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A file that an option of a verb names for its output. */

#include <stdio.h>
#include <sys/types.h>

#include "arguments.h"

/* Whether the name means standard output: "-". */
bool output_file_is_stdout(const char *path);

/* Replaces the file at once by one with these bytes: a reader finds the old ones or the new ones.
 * A device, a FIFO or a link is refused, as it would be lost. mode: of the file; 0: what the umask
 * leaves of 0666. "-" is standard output. Returns EXIT_OK, or the status of the failure that it
 * printed. */
ExitStatus output_file_write(const Cli *cli, const char *path, const void *data, size_t size,
                             mode_t mode);
/* The same with what `draw` prints of `what` to a stream. */
ExitStatus output_file_draw(const Cli *cli, const char *path,
                            void (*draw)(FILE *stream, const void *what), const void *what);
