/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>

#include "base/fail_point.h"
#include "base/text.h"

#define BLOCK_BYTES 65536u /* read at once */
#define FILES_MAX 1000u    /* how far leftovers of an earlier configuration are looked for */

struct ConsoleFiles {
        unsigned n_ref;
        DiskQueue *queue; /* borrowed */
        DiskJob closing;  /* after the last reference */
        int dirfd;        /* borrowed */
        char *name;
        uint64_t bytes;
        uint32_t files;
        atomic_uint hidden;   /* removals to come */
        pthread_mutex_t lock; /* of what follows, and of the files */
        int fd;               /* NAME.log, -1: not open */
        uint64_t size;        /* of NAME.log, if it is open */
        uint64_t end;         /* up to which the stream was written */
        bool removed;
};

ConsoleFiles *console_files_new(DiskQueue *queue, int dirfd, const char *name, uint64_t bytes,
                                uint32_t files)
{
        ConsoleFiles *new = calloc(1, sizeof(*new));

        if (!new || !(new->name = strdup(name))) {
                free(new);
                return NULL;
        }
        new->n_ref = 1;
        new->queue = queue;
        new->dirfd = dirfd;
        new->bytes = bytes;
        new->files = files;
        new->fd = -1;
        pthread_mutex_init(&new->lock, NULL);
        return new;
}

ConsoleFiles *console_files_ref(ConsoleFiles *files)
{
        files->n_ref++;
        return files;
}

static void on_end(DiskJob *job)
{
        closep(&container_of(job, ConsoleFiles, closing)->fd);
}

static void on_ended(DiskJob *job)
{
        ConsoleFiles *files = container_of(job, ConsoleFiles, closing);

        pthread_mutex_destroy(&files->lock);
        free(files->name);
        free(files);
}

ConsoleFiles *console_files_unref(ConsoleFiles *files)
{
        if (!files || --files->n_ref > 0)
                return NULL;
        if (files->fd < 0)
                on_ended(&files->closing);
        else
                disk_queue_add(files->queue, &files->closing, on_end, on_ended);
        return NULL;
}

/* NAME.log, NAME.log.1, …; newly allocated. */
static char *console_file_name(const char *name, uint32_t number)
{
        return number ? text_format("%s.log.%u", name, number) : text_format("%s.log", name);
}

uint64_t console_files_max(const ConsoleFiles *files)
{
        return files->bytes * files->files;
}

uint64_t console_files_size(int dirfd, const char *name, uint32_t files)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < files; i++) {
                _cleanup_free_ char *file = console_file_name(name, i);
                struct stat st;

                if (!file || fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        break;
                bytes += (uint64_t)st.st_size;
        }
        return bytes;
}

static int console_file_remove(const ConsoleFiles *files, uint32_t number)
{
        _cleanup_free_ char *file = console_file_name(files->name, number);

        if (!file)
                return -ENOMEM;
        return unlinkat(files->dirfd, file, 0) < 0 ? -errno : 0;
}

/* Removes NAME.log.FIRST and those after it that there are, beyond `files` until one is missing. */
static int console_files_remove_from(const ConsoleFiles *files, uint32_t first)
{
        int ret = 0;

        for (uint32_t i = first; i < FILES_MAX || i < files->files; i++) {
                int r = console_file_remove(files, i);

                if (r == -ENOENT && i >= files->files)
                        break;
                if (r < 0 && r != -ENOENT && ret == 0)
                        ret = r;
        }
        return ret;
}

/* A file of an earlier, more generous configuration would break the bound: it goes. */
static void console_files_remove_oversized(const ConsoleFiles *files)
{
        for (uint32_t i = 0; i < files->files; i++) {
                _cleanup_free_ char *file = console_file_name(files->name, i);
                struct stat st;

                if (file && fstatat(files->dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    (uint64_t)st.st_size > files->bytes)
                        unlinkat(files->dirfd, file, 0);
        }
        console_files_remove_from(files, files->files);
}

static int console_files_open(ConsoleFiles *files)
{
        _cleanup_free_ char *file = console_file_name(files->name, 0);
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (!file)
                return -ENOMEM;
        fd = openat(files->dirfd, file,
                    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        files->size = (uint64_t)st.st_size;
        files->fd = TAKE_FD(fd);
        fail_point("console: file is made");
        return 0;
}

/* Moves each file to the next number; the oldest is lost. */
static int console_files_rotate(ConsoleFiles *files)
{
        _cleanup_free_ char *to = console_file_name(files->name, files->files - 1);

        if (!to)
                return -ENOMEM;
        closep(&files->fd);
        files->fd = -1;
        fail_point("console: to be rotated");
        if (unlinkat(files->dirfd, to, 0) < 0 && errno != ENOENT)
                return -errno;
        for (uint32_t i = files->files - 1; i > 0; i--) {
                char *from = console_file_name(files->name, i - 1);

                if (!from)
                        return -ENOMEM;
                if (renameat(files->dirfd, from, files->dirfd, to) < 0 && errno != ENOENT) {
                        int r = -errno;

                        free(from);
                        return r;
                }
                free(to);
                to = from;
        }
        return 0;
}

/* Opens NAME.log with room for at least a byte, if it is not open. */
static int console_files_prepare(ConsoleFiles *files)
{
        int r = 0;

        if (files->fd < 0) {
                console_files_remove_oversized(files);
                r = console_files_open(files);
        }
        if (r == 0 && files->size >= files->bytes) {
                r = console_files_rotate(files);
                if (r == 0)
                        r = console_files_open(files);
        }
        return r;
}

/* With the lock held. */
static int console_files_write(ConsoleFiles *files, const char *data, size_t size)
{
        while (size) {
                ssize_t n;
                int r = console_files_prepare(files);

                if (r < 0)
                        return r;
                n = write(files->fd, data, MIN(size, files->bytes - files->size));
                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                disk_queue_note_progress(files->queue);
                files->size += (uint64_t)n;
                files->end += (uint64_t)n;
                data += n;
                size -= (size_t)n;
        }
        return 0;
}

int console_files_append(ConsoleFiles *files, uint64_t from, const char *data, size_t size,
                         uint64_t *ret_end)
{
        size_t written;
        int r = 0;

        pthread_mutex_lock(&files->lock);
        written = files->end > from ? MIN(size, files->end - from) : 0;
        files->end = MAX(files->end, from);
        if (files->removed)
                files->end = MAX(files->end, from + size);
        else
                r = console_files_write(files, data + written, size - written);
        *ret_end = files->end;
        pthread_mutex_unlock(&files->lock);
        return r;
}

void console_files_hide(ConsoleFiles *files)
{
        atomic_fetch_add(&files->hidden, 1);
}

int console_files_remove(ConsoleFiles *files, bool final)
{
        int r;

        pthread_mutex_lock(&files->lock);
        files->removed |= final;
        closep(&files->fd);
        files->fd = -1;
        r = console_files_remove_from(files, 0);
        atomic_fetch_sub(&files->hidden, 1);
        pthread_mutex_unlock(&files->lock);
        return r;
}

/* Puts bytes in front; ends where the lines are complete or the space is used up. */
static void console_tail_prepend(ConsoleTail *tail, const char *data, size_t size)
{
        if (!tail->limited && !tail->done) {
                size_t n = MIN(size, tail->start);

                tail->start -= n;
                memcpy(tail->data + tail->start, data + size - n, n);
                tail->done = tail->start == 0;
                return;
        }
        while (size && !tail->done) {
                char c = data[--size];

                /* the newline at the very end ends the last line, it begins none */
                if (tail->limited && c == '\n' && tail->start < tail->size && --tail->lines == 0) {
                        tail->done = true;
                        return;
                }
                tail->data[--tail->start] = c;
                tail->done = tail->start == 0;
        }
}

/* An open file of the console and its size; fd -1 if it cannot be opened. */
typedef struct ConsoleFile {
        int fd;
        uint64_t size;
} ConsoleFile;

static int console_file_read(const ConsoleFile *file, uint64_t size, ConsoleTail *tail)
{
        _cleanup_free_ char *block = malloc(BLOCK_BYTES);

        if (!block)
                return -ENOMEM;
        while (size && !tail->done) {
                size_t n = (size_t)MIN(size, BLOCK_BYTES);
                ssize_t got = pread(file->fd, block, n, (off_t)(size - n));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got != (ssize_t)n)
                        return got < 0 ? -errno : -EIO;
                console_tail_prepend(tail, block, n);
                size -= n;
        }
        return 0;
}

static ConsoleFile console_file_open(const ConsoleFiles *files, uint32_t number)
{
        _cleanup_free_ char *file = console_file_name(files->name, number);
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (file)
                fd = openat(files->dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
                return (ConsoleFile){.fd = -1};
        return (ConsoleFile){.fd = TAKE_FD(fd), .size = (uint64_t)st.st_size};
}

/* Opens all files as they are at one moment. Returns the offset up to which they have the stream;
 * *ret_size: their size in all. */
static uint64_t console_files_open_all(ConsoleFiles *files, ConsoleFile *opened, uint64_t *ret_size)
{
        uint64_t end, size = 0;

        pthread_mutex_lock(&files->lock);
        for (uint32_t i = 0; i < files->files; i++) {
                opened[i] = atomic_load(&files->hidden) ? (ConsoleFile){.fd = -1}
                                                        : console_file_open(files, i);
                size += opened[i].size;
        }
        end = files->end;
        pthread_mutex_unlock(&files->lock);
        *ret_size = size;
        return end;
}

/* The files' tail without its last `skipped` bytes. */
static int console_files_gather(const ConsoleFiles *files, const ConsoleFile *opened,
                                uint64_t skipped, ConsoleTail *tail)
{
        for (uint32_t i = 0; i < files->files && !tail->done; i++) {
                uint64_t n = MIN(skipped, opened[i].size);
                int r = 0;

                skipped -= n;
                if (opened[i].fd >= 0)
                        r = console_file_read(&opened[i], opened[i].size - n, tail);
                if (r < 0)
                        return r;
        }
        return 0;
}

int console_files_read(ConsoleFiles *files, uint64_t end, const char *ring, size_t used,
                       ConsoleTail *tail)
{
        _cleanup_free_ ConsoleFile *opened = calloc(files->files, sizeof(*opened));
        uint64_t on_disk, written, later, start = end - used;
        size_t in_both;
        int r = 0;

        if (!opened)
                return -ENOMEM;
        written = console_files_open_all(files, opened, &on_disk);
        later = written > end ? written - end : 0;
        in_both = (size_t)(MIN(written, end) > start ? MIN(written, end) - start : 0);
        if (on_disk < later + in_both) { /* the files were removed: the ring has more */
                console_tail_prepend(tail, ring, used);
        } else {
                console_tail_prepend(tail, ring + in_both, used - in_both);
                r = console_files_gather(files, opened, later, tail);
        }
        for (uint32_t i = 0; i < files->files; i++)
                closep(&opened[i].fd);
        return r;
}
