/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>

#include "base/backlog.h"
#include "base/fail_point.h"
#include "base/text.h"

#define RING_FIRST 1024u /* bytes; doubled to CONSOLE_RING */
#define FILES_MAX 1000u  /* how far leftovers of an earlier configuration are looked for */

/* The ring holds the last bytes written, and the files hold all but its last `unsaved` ones: each
 * write first tries to save what an earlier one could not. What falls out of the ring unsaved is
 * lost to the files. */
struct Console {
        int dirfd; /* borrowed */
        char *name;
        uint64_t bytes;
        uint32_t files;
        int fd;        /* NAME.log, -1: not open */
        uint64_t size; /* of NAME.log, if it is open */
        List followers;
        Backlog *backlog;            /* of the followers; NULL: there are none */
        char *ring;                  /* grows with what is written */
        size_t capacity;             /* of ring, at most CONSOLE_RING */
        size_t start, used, unsaved; /* of ring; unsaved <= used <= capacity */
};

/* NAME.log, NAME.log.1, …; newly allocated. */
static char *file_name(const char *name, uint32_t number)
{
        return number ? text_format("%s.log.%u", name, number) : text_format("%s.log", name);
}

static int remove_file(int dirfd, const char *name, uint32_t number)
{
        _cleanup_free_ char *file = file_name(name, number);

        if (!file)
                return -ENOMEM;
        return unlinkat(dirfd, file, 0) < 0 ? -errno : 0;
}

uint64_t console_size(int dirfd, const char *name, uint32_t files)
{
        uint64_t bytes = 0;

        for (uint32_t i = 0; i < files; i++) {
                _cleanup_free_ char *file = file_name(name, i);
                struct stat st;

                if (!file || fstatat(dirfd, file, &st, AT_SYMLINK_NOFOLLOW) < 0)
                        break;
                bytes += (uint64_t)st.st_size;
        }
        return bytes;
}

/* Removes NAME.log.FIRST and those after it that there are, beyond `files` until one is missing. */
static int remove_files(int dirfd, const char *name, uint32_t first, uint32_t files)
{
        int ret = 0;

        for (uint32_t i = first; i < FILES_MAX || i < files; i++) {
                int r = remove_file(dirfd, name, i);

                if (r == -ENOENT && i >= files)
                        break;
                if (r < 0 && r != -ENOENT && ret == 0)
                        ret = r;
        }
        return ret;
}

int console_remove(int dirfd, const char *name, uint32_t files)
{
        return remove_files(dirfd, name, 0, files);
}

int console_new(int dirfd, const char *name, uint64_t bytes, uint32_t files, Console **ret)
{
        Console *console = calloc(1, sizeof(*console));

        if (!console)
                return -ENOMEM;
        console->dirfd = dirfd;
        console->bytes = bytes;
        console->files = files;
        console->fd = -1;
        console->name = strdup(name);
        if (!console->name) {
                console_free(console);
                return -ENOMEM;
        }
        *ret = console;
        return 0;
}

Console *console_free(Console *console)
{
        if (!console)
                return NULL;
        list_clear(&console->followers);
        backlog_free(console->backlog);
        closep(&console->fd);
        free(console->name);
        free(console->ring);
        free(console);
        return NULL;
}

/* A file of an earlier, more generous configuration would break the bound: it goes. */
static void remove_oversized(Console *console)
{
        for (uint32_t i = 0; i < console->files; i++) {
                _cleanup_free_ char *file = file_name(console->name, i);
                struct stat st;

                if (file && fstatat(console->dirfd, file, &st, AT_SYMLINK_NOFOLLOW) == 0 &&
                    (uint64_t)st.st_size > console->bytes)
                        unlinkat(console->dirfd, file, 0);
        }
        remove_files(console->dirfd, console->name, console->files, console->files);
}

static int open_file(Console *console)
{
        _cleanup_free_ char *file = file_name(console->name, 0);
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (!file)
                return -ENOMEM;
        fd = openat(console->dirfd, file,
                    O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        if (fstat(fd, &st) < 0)
                return -errno;
        if (!S_ISREG(st.st_mode))
                return -EINVAL;
        console->size = (uint64_t)st.st_size;
        console->fd = TAKE_FD(fd);
        fail_point("console: file is made");
        return 0;
}

/* Moves each file to the next number; the oldest is lost. */
static int rotate(Console *console)
{
        _cleanup_free_ char *to = file_name(console->name, console->files - 1);

        if (!to)
                return -ENOMEM;
        closep(&console->fd);
        console->fd = -1;
        fail_point("console: to be rotated");
        if (unlinkat(console->dirfd, to, 0) < 0 && errno != ENOENT)
                return -errno;
        for (uint32_t i = console->files - 1; i > 0; i--) {
                char *from = file_name(console->name, i - 1);

                if (!from)
                        return -ENOMEM;
                if (renameat(console->dirfd, from, console->dirfd, to) < 0 && errno != ENOENT) {
                        int r = -errno;

                        free(from);
                        return r;
                }
                free(to);
                to = from;
        }
        return 0;
}

/* The next piece of the ring that is not on disk yet, up to its wrap. */
static size_t next_unsaved(const Console *console, const char **ret)
{
        size_t at = (console->start + console->used - console->unsaved) % console->capacity;
        size_t n = console->capacity - at;

        *ret = console->ring + at;
        return n < console->unsaved ? n : console->unsaved;
}

/* Brings the files up to the ring. Any failure leaves the rest unsaved, to be tried again. */
static int save(Console *console)
{
        while (console->unsaved) {
                const char *data;
                size_t n = next_unsaved(console, &data);
                ssize_t written;
                int r;

                if (console->fd < 0) {
                        remove_oversized(console);
                        r = open_file(console);
                        if (r < 0)
                                return r;
                }
                if (console->size >= console->bytes) {
                        r = rotate(console);
                        if (r < 0)
                                return r;
                        r = open_file(console);
                        if (r < 0)
                                return r;
                }
                if (n > console->bytes - console->size)
                        n = (size_t)(console->bytes - console->size);
                written = write(console->fd, data, n);
                if (written < 0 && errno == EINTR)
                        continue;
                if (written <= 0)
                        return written < 0 ? -errno : -EIO;
                console->size += (uint64_t)written;
                console->unsaved -= (size_t)written;
        }
        return 0;
}

/* Makes place for `size` more bytes, up to CONSOLE_RING in all. Without memory it stays as
 * it is. */
static void ring_grow(Console *console, size_t size)
{
        size_t wanted = console->capacity ?: RING_FIRST;
        char *grown;

        while (wanted < CONSOLE_RING && wanted < console->used + size)
                wanted *= 2;
        if (wanted == console->capacity || console->start) /* one that has wrapped stays as it is */
                return;
        grown = realloc(console->ring, wanted);
        if (!grown)
                return;
        console->ring = grown;
        console->capacity = wanted;
}

/* size is at most the capacity. */
static void ring_add(Console *console, const char *data, size_t size)
{
        size_t free_bytes = console->capacity - console->used;
        size_t over = size > free_bytes ? size - free_bytes : 0;
        size_t at, n;

        console->start = (console->start + over) % console->capacity;
        console->used -= over;
        at = (console->start + console->used) % console->capacity;
        n = console->capacity - at < size ? console->capacity - at : size;
        memcpy(console->ring + at, data, n);
        memcpy(console->ring, data + n, size - n);
        console->used += size;
        console->unsaved += size;
        if (console->unsaved > console->used)
                console->unsaved = console->used;
}

int console_follow(Console *console, ConsoleFollower *follower)
{
        if (!console->backlog)
                console->backlog = backlog_new();
        if (!console->backlog)
                return -ENOMEM;
        follower->at = backlog_end(console->backlog);
        list_add(&console->followers, &follower->item);
        return 0;
}

/* NULL: it follows none. */
static Console *follower_console(const ConsoleFollower *follower)
{
        List *list = follower->item.list;

        return list ? container_of(list, Console, followers) : NULL;
}

void console_unfollow(ConsoleFollower *follower)
{
        Console *console = follower_console(follower);

        if (!console)
                return;
        list_remove(&follower->item);
        if (!console->followers.first)
                console->backlog = backlog_free(console->backlog);
}

ssize_t console_unread(ConsoleFollower *follower, const char **ret)
{
        const Console *console = follower_console(follower);
        ssize_t n = console ? backlog_get(console->backlog, follower->at, ret) : 0;

        if (n == -ENODATA)
                follower->at = backlog_end(console->backlog);
        return n;
}

void console_have_read(ConsoleFollower *follower, size_t size)
{
        follower->at += size;
}

void console_write(Console *console, const void *data, size_t size)
{
        ConsoleFollower *follower;
        const char *p = data;
        size_t left = size;

        ring_grow(console, size);
        while (left && console->capacity) {
                size_t n = left < console->capacity ? left : console->capacity;

                ring_add(console, p, n);
                save(console); /* it fails if the disk does; the ring has the bytes */
                p += n;
                left -= n;
        }
        if (!console->backlog)
                return;
        backlog_add(console->backlog, data, size);
        list_foreach (follower, &console->followers, item)
                follower->more(follower->userdata);
}

/* What the tail is gathered into, from its end to its start. */
typedef struct Tail {
        char *data;
        size_t size, start; /* data[start..size) is filled */
        uint64_t lines;     /* still wanted, if limited */
        bool limited, done;
} Tail;

/* Puts bytes in front; stops where the lines wanted are complete or the space is. */
static void tail_prepend(Tail *tail, const char *data, size_t size)
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

static int tail_prepend_file(Tail *tail, int fd, uint64_t size)
{
        _cleanup_free_ char *block = malloc(CONSOLE_RING);

        if (!block)
                return -ENOMEM;
        while (size && !tail->done) {
                size_t n = size < CONSOLE_RING ? (size_t)size : CONSOLE_RING;
                ssize_t got = pread(fd, block, n, (off_t)(size - n));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got != (ssize_t)n)
                        return got < 0 ? -errno : -EIO;
                tail_prepend(tail, block, n);
                size -= n;
        }
        return 0;
}

/* An open file of the console and its size; -1 if it cannot be opened. */
typedef struct TailFile {
        int fd;
        uint64_t size;
} TailFile;

static TailFile tail_open(const Console *console, uint32_t number)
{
        _cleanup_free_ char *file = file_name(console->name, number);
        _cleanup_close_ int fd = -1;
        struct stat st;

        if (file)
                fd = openat(console->dirfd, file, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0 || fstat(fd, &st) < 0 || !S_ISREG(st.st_mode) || st.st_size < 0)
                return (TailFile){.fd = -1};
        return (TailFile){.fd = TAKE_FD(fd), .size = (uint64_t)st.st_size};
}

struct ConsoleSnapshot {
        TailFile *files;
        uint32_t n_files;
        uint64_t on_disk;
        char *ring; /* the last bytes written, in order */
        size_t used, unsaved;
};

ConsoleSnapshot *console_snapshot_free(ConsoleSnapshot *snapshot)
{
        if (!snapshot)
                return NULL;
        for (uint32_t i = 0; snapshot->files && i < snapshot->n_files; i++)
                closep(&snapshot->files[i].fd);
        free(snapshot->files);
        free(snapshot->ring);
        free(snapshot);
        return NULL;
}

ConsoleSnapshot *console_snapshot(const Console *console)
{
        ConsoleSnapshot *snapshot = calloc(1, sizeof(*snapshot));
        size_t first;

        if (!snapshot)
                return NULL;
        snapshot->files = calloc(console->files, sizeof(*snapshot->files));
        snapshot->ring = malloc(console->used + 1);
        if (!snapshot->files || !snapshot->ring)
                return console_snapshot_free(snapshot);
        snapshot->n_files = console->files;
        for (uint32_t i = 0; i < console->files; i++) {
                snapshot->files[i] = tail_open(console, i);
                snapshot->on_disk += snapshot->files[i].size;
        }
        snapshot->used = console->used;
        snapshot->unsaved = console->unsaved;
        first = console->capacity - console->start;
        if (first > console->used)
                first = console->used;
        if (console->used) {
                memcpy(snapshot->ring, console->ring + console->start, first);
                memcpy(snapshot->ring + first, console->ring, console->used - first);
        }
        return snapshot;
}

static int tail_gather(Tail *tail, const ConsoleSnapshot *snapshot)
{
        size_t saved = snapshot->used - snapshot->unsaved;

        if (tail->done)
                return 0;
        tail_prepend(tail, snapshot->ring + saved, snapshot->unsaved);
        if (snapshot->on_disk < saved) { /* the files were removed: the ring has more */
                tail_prepend(tail, snapshot->ring, saved);
                return 0;
        }
        for (uint32_t i = 0; i < snapshot->n_files && !tail->done; i++) {
                const TailFile *file = &snapshot->files[i];
                int r = file->fd < 0 ? 0 : tail_prepend_file(tail, file->fd, file->size);

                if (r < 0)
                        return r;
        }
        return 0;
}

int console_snapshot_tail(const ConsoleSnapshot *snapshot, uint64_t lines, size_t max, char **ret,
                          size_t *ret_size)
{
        Tail tail = {.lines = lines, .limited = lines > 0};
        uint64_t all = snapshot->on_disk + snapshot->used; /* no less than there is */
        int r = -ENOMEM;

        tail.size = tail.start = all < max ? (size_t)all : max;
        tail.done = tail.size == 0;
        tail.data = malloc(tail.size + 1);
        if (tail.data)
                r = tail_gather(&tail, snapshot);
        if (r < 0) {
                free(tail.data);
                return r;
        }
        *ret_size = tail.size - tail.start;
        memmove(tail.data, tail.data + tail.start, *ret_size);
        tail.data[*ret_size] = 0;
        *ret = tail.data;
        return 0;
}

int console_tail(Console *console, uint64_t lines, size_t max, char **ret, size_t *ret_size)
{
        _cleanup_(console_snapshot_freep) ConsoleSnapshot *snapshot = console_snapshot(console);

        return snapshot ? console_snapshot_tail(snapshot, lines, max, ret, ret_size) : -ENOMEM;
}
