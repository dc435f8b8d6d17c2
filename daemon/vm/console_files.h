/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The files of a console (console.h): NAME.log, NAME.log.1, … below a directory, mode 0600,
 * rotated, together never more than bytes × files on disk.
 *
 * What is written is a stream; an offset counts its bytes from the creation of the ConsoleFiles on.
 * Files that are there already are continued. A lock makes append, remove and read possible in
 * worker threads; all else is called on the loop. Any call may take as long as the disk does.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"
#include "local/disk_queue.h"

typedef struct ConsoleFiles ConsoleFiles;

/* queue and dirfd are borrowed until the last reference is dropped. queue: where the last open file
 * is closed, which may have to wait for the disk; NULL: at once. bytes (of one file) and files are
 * at least 1. Touches no file. Returns NULL without memory. */
ConsoleFiles *console_files_new(DiskQueue *queue, int dirfd, const char *name, uint64_t bytes,
                                uint32_t files);
/* Counted on the loop. */
ConsoleFiles *console_files_ref(ConsoleFiles *files);
ConsoleFiles *console_files_unref(ConsoleFiles *files); /* accepts NULL; the files stay */
DEFINE_CLEANUP(ConsoleFiles *, console_files_unref)

/* Writes the bytes of the stream from an offset on, without those that were written already. What
 * lies between the end of the files and `from` is missing there. *ret_end: the offset up to which
 * the files have the stream now, also on failure. Returns 0 or -errno of the disk, after which the
 * rest may be tried again. After a final removal it writes nothing and returns 0. */
int console_files_append(ConsoleFiles *files, uint64_t from, const char *data, size_t size,
                         uint64_t *ret_end);

/* Readers find no files from now on until console_files_remove() has removed them, which must
 * follow. Waits for nothing. */
void console_files_hide(ConsoleFiles *files);
/* Removes the files, and those of an earlier configuration with more of them. Absent is success.
 * What is written later creates them again, unless the removal is final. Returns 0 or
 * -errno of the first that could not be removed. */
int console_files_remove(ConsoleFiles *files, bool final);

/* bytes × files. */
uint64_t console_files_max(const ConsoleFiles *files);

/* The bytes that all files of that name have. */
uint64_t console_files_size(int dirfd, const char *name, uint32_t files);

/* What is gathered of a stream's end, from its last byte to its first. */
typedef struct ConsoleTail {
        char *data;
        size_t size, start; /* data[start..size) is filled */
        uint64_t lines;     /* still to come, if limited */
        bool limited, done;
} ConsoleTail;

/* Gathers the stream up to `end`, the last `used` bytes of which are in `ring`. They come from the
 * files, too, as far as those have them. Returns 0, -ENOMEM, or -errno of a file that cannot be
 * read. */
int console_files_read(ConsoleFiles *files, uint64_t end, const char *ring, size_t used,
                       ConsoleTail *tail);
