/* SPDX-License-Identifier: Apache-2.0 */
#include "base/residence.h"

#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>

/* "36 35 0:50 / /run rw,nosuid - tmpfs tmpfs rw,noswap": number first, the file system's own
 * options last. */
static bool has_noswap(char *line)
{
        char *options = strstr(line, " - "), *next;

        options = options ? strrchr(options, ' ') : NULL;
        for (char *option = options ? options + 1 : NULL; option; option = next) {
                next = strpbrk(option, ",\n");
                if (next)
                        *next++ = 0;
                if (strcmp(option, "noswap") == 0)
                        return true;
        }
        return false;
}

static bool is_noswap_mount(int fd, const char *mounts)
{
        _cleanup_free_ char *line = NULL;
        bool found = false;
        size_t size = 0;
        struct statx st;
        FILE *file;

        if (statx(fd, "", AT_EMPTY_PATH, STATX_MNT_ID, &st) < 0 || !(st.stx_mask & STATX_MNT_ID))
                return false;
        file = fopen(mounts, "re");
        if (!file)
                return false;
        while (!found && getline(&line, &size, file) > 0)
                found = strtoull(line, NULL, 10) == st.stx_mnt_id && has_noswap(line);
        fclose(file);
        return found;
}

/* A heading, then a line an area that begins with its path. */
static bool swaps_to_disk(const char *swaps)
{
        _cleanup_free_ char *line = NULL;
        bool found = false, heading = true;
        size_t size = 0;
        FILE *file = fopen(swaps, "re");

        if (!file)
                return errno != ENOENT; /* a kernel without swap has no such file */
        while (!found && getline(&line, &size, file) > 0) {
                found = !heading && strncmp(line, "/dev/zram", 9) != 0;
                heading = false;
        }
        fclose(file);
        return found;
}

Residence residence_of(int fd, const char *mounts, const char *swaps)
{
        struct statfs fs;

        if (fstatfs(fd, &fs) < 0)
                return RESIDENCE_DISK;
        if (fs.f_type == RAMFS_MAGIC)
                return RESIDENCE_MEMORY;
        if (fs.f_type != TMPFS_MAGIC)
                return RESIDENCE_DISK;
        return is_noswap_mount(fd, mounts) || !swaps_to_disk(swaps) ? RESIDENCE_MEMORY
                                                                    : RESIDENCE_SWAPPABLE;
}
