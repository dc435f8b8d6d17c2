/* SPDX-License-Identifier: Apache-2.0 */
#include "base/mount_table.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>

#define READ_SIZE 65536u

typedef struct Mount {
        uint64_t number;
        Filesystem is;
} Mount;

typedef struct Source {
        const char *path;
        int fd; /* owned; -1: cannot be opened */
} Source;

struct MountTable {
        Source sources[2];
        Mount *mounts; /* by number */
        size_t n_mounts, n_allocated;
        bool loaded;
        unsigned reads;
};

MountTable *mount_table_new(void)
{
        MountTable *table = calloc(1, sizeof(*table));

        if (!table)
                return NULL;
        table->sources[0].path = "/proc/self/mountinfo";
        table->sources[1].path = "/proc/1/mountinfo";
        for (size_t i = 0; i < ARRAY_SIZE(table->sources); i++)
                table->sources[i].fd = open(table->sources[i].path, O_RDONLY | O_CLOEXEC);
        return table;
}

MountTable *mount_table_free(MountTable *table)
{
        if (!table)
                return NULL;
        for (size_t i = 0; i < ARRAY_SIZE(table->sources); i++)
                closep(&table->sources[i].fd);
        free(table->mounts);
        free(table);
        return NULL;
}

static bool mount_table_add(MountTable *table, uint64_t number, Filesystem is)
{
        if (table->n_mounts == MOUNT_TABLE_MOUNTS_MAX)
                return false;
        if (table->n_mounts == table->n_allocated) {
                size_t n = table->n_allocated ? 2 * table->n_allocated : 64;
                Mount *more = realloc(table->mounts, n * sizeof(*more));

                if (!more)
                        return false;
                table->mounts = more;
                table->n_allocated = n;
        }
        table->mounts[table->n_mounts++] = (Mount){number, is};
        return true;
}

/* "36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw": the number first, the type
 * behind the first field that is a hyphen alone. Spaces within a field are written \040. A line
 * that is not so adds nothing. */
static bool mount_table_add_line(MountTable *table, const char *line, size_t size)
{
        static const char mark[] = " - ";
        const char *type = memmem(line, size, mark, strlen(mark)), *end;
        uint64_t number = 0;
        size_t i = 0;

        for (; i < size && i < 18 && line[i] >= '0' && line[i] <= '9'; i++)
                number = number * 10 + (uint64_t)(line[i] - '0');
        if (i == 0 || i == size || line[i] != ' ' || !type)
                return true;
        type += strlen(mark);
        end = memchr(type, ' ', size - (size_t)(type - line));
        if (!end)
                return true;
        return mount_table_add(table, number, filesystem_of_type(type, (size_t)(end - type)));
}

/* Adds what whole lines say. Returns the number of their bytes, or 0 if there is no room. */
static size_t mount_table_add_lines(MountTable *table, const char *data, size_t size)
{
        size_t done = 0;
        const char *end;

        while ((end = memchr(data + done, '\n', size - done))) {
                if (!mount_table_add_line(table, data + done, (size_t)(end - data) - done))
                        return 0;
                done = (size_t)(end - data) + 1;
        }
        return done;
}

/* A line longer than the buffer ends it: what follows is not found. */
static void mount_table_add_file(MountTable *table, int fd)
{
        _cleanup_free_ char *data = malloc(READ_SIZE);
        size_t have = 0, total = 0;

        if (!data || lseek(fd, 0, SEEK_SET) < 0)
                return;
        while (total < MOUNT_TABLE_BYTES_MAX) {
                ssize_t n = read(fd, data + have, READ_SIZE - have);
                size_t done;

                if (n < 0 && errno == EINTR)
                        continue;
                if (n <= 0)
                        return;
                have += (size_t)n;
                total += (size_t)n;
                done = mount_table_add_lines(table, data, have);
                if (done == 0 && (have == READ_SIZE || memchr(data, '\n', have)))
                        return;
                memmove(data, data + done, have - done);
                have -= done;
        }
}

static int mount_table_compare(const void *a, const void *b)
{
        const Mount *left = a, *right = b;

        return left->number < right->number ? -1 : left->number > right->number;
}

/* Whether a namespace has changed since the last time this was asked. */
static bool mount_table_has_changed(MountTable *table)
{
        struct pollfd fds[ARRAY_SIZE(table->sources)];
        bool changed = false;

        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                fds[i] = (struct pollfd){.fd = table->sources[i].fd, .events = POLLPRI};
        if (poll(fds, ARRAY_SIZE(fds), 0) <= 0)
                return false;
        for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
                changed = changed || fds[i].revents & (POLLPRI | POLLERR);
        return changed;
}

static void mount_table_refresh(MountTable *table)
{
        bool changed = mount_table_has_changed(table);

        if (table->loaded && !changed)
                return;
        table->loaded = true;
        table->reads++;
        table->n_mounts = 0;
        for (size_t i = 0; i < ARRAY_SIZE(table->sources); i++)
                if (table->sources[i].fd >= 0)
                        mount_table_add_file(table, table->sources[i].fd);
        if (table->n_mounts)
                qsort(table->mounts, table->n_mounts, sizeof(*table->mounts), mount_table_compare);
}

bool mount_table_find(MountTable *table, uint64_t mount, Filesystem *ret)
{
        const Mount key = {.number = mount}, *found;

        mount_table_refresh(table);
        found = table->n_mounts ? bsearch(&key, table->mounts, table->n_mounts, sizeof(key),
                                          mount_table_compare)
                                : NULL;
        if (found)
                *ret = found->is;
        return found;
}

unsigned mount_table_reads(const MountTable *table)
{
        return table->reads;
}
