/* SPDX-License-Identifier: Apache-2.0 */
#include "local/mounts_below.h"

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fd.h"
#include "base/file.h"

#define MOUNTINFO_MAX (16u << 20)

/* A line of mountinfo; its texts are parts of the file's. */
typedef struct Line {
        unsigned id, parent;
        char *path, *type;
        bool unbindable, below;
} Line;

/* Blanks, line breaks and backslashes are written as octal numbers of three digits. */
static void unescape(char *s)
{
        char *to = s;

        for (; *s; s++) {
                if (s[0] == '\\' && s[1] >= '0' && s[1] <= '3' && s[2] >= '0' && s[2] <= '7' &&
                    s[3] >= '0' && s[3] <= '7') {
                        *to++ = (char)((s[1] - '0') << 6 | (s[2] - '0') << 3 | (s[3] - '0'));
                        s += 3;
                } else {
                        *to++ = *s;
                }
        }
        *to = 0;
}

/* ID PARENT MAJOR:MINOR ROOT PATH OPTIONS [TAG...] - TYPE SOURCE OPTIONS. false: another form. */
static bool parse_line(char *text, Line *ret)
{
        char *save, *tokens[6], *token;
        Line line = {};

        for (size_t i = 0; i < ARRAY_SIZE(tokens); i++) {
                tokens[i] = strtok_r(i == 0 ? text : NULL, " ", &save);
                if (!tokens[i])
                        return false;
        }
        if (sscanf(tokens[0], "%u", &line.id) != 1 || sscanf(tokens[1], "%u", &line.parent) != 1)
                return false;
        while ((token = strtok_r(NULL, " ", &save)) && strcmp(token, "-") != 0)
                line.unbindable = line.unbindable || strcmp(token, "unbindable") == 0;
        line.type = strtok_r(NULL, " ", &save);
        if (!line.type)
                return false;
        line.path = tokens[4];
        unescape(line.path);
        *ret = line;
        return true;
}

static int parse_lines(char *text, Line **ret, size_t *ret_n)
{
        size_t n = 0, max = 1;
        char *save, *line;
        Line *lines;

        for (const char *p = text; *p; p++)
                max += *p == '\n';
        lines = calloc(max, sizeof(*lines));
        if (!lines)
                return -ENOMEM;
        for (line = strtok_r(text, "\n", &save); line; line = strtok_r(NULL, "\n", &save))
                if (n < max && parse_line(line, &lines[n]))
                        n++;
        *ret = lines;
        *ret_n = n;
        return 0;
}

static bool is_at_or_below(const char *path, const char *directory)
{
        size_t size = strlen(directory);

        if (size == 1) /* the root */
                return true;
        return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == 0);
}

static bool mounts_below_contains(const unsigned *ids, size_t n, unsigned id)
{
        for (size_t i = 0; i < n; i++)
                if (ids[i] == id)
                        return true;
        return false;
}

/* Marks what hangs from the mount `id` at the directory or below, and what hangs from that. A mount
 * that was moved may stand before the one that it hangs from now. Returns how many there are, or
 * -E2BIG. */
static ssize_t mark_below(Line *lines, size_t n, unsigned id, const char *directory, size_t max)
{
        _cleanup_free_ unsigned *ids = calloc(max + 1, sizeof(*ids));
        size_t found = 0, before;

        if (!ids)
                return -ENOMEM;
        do {
                before = found;
                for (size_t i = 0; i < n; i++) {
                        Line *line = &lines[i];

                        if (line->below || line->id == id ||
                            !(mounts_below_contains(ids, found, line->parent) ||
                              (line->parent == id && is_at_or_below(line->path, directory))))
                                continue;
                        if (found == max)
                                return -E2BIG;
                        line->below = true;
                        ids[found++] = line->id;
                }
        } while (found > before);
        return (ssize_t)found;
}

static int mounts_below_copy(const Line *lines, size_t n, size_t found, MountsBelow *ret)
{
        MountsBelow mounts = {.list = calloc(found + 1, sizeof(*mounts.list))};

        for (size_t i = 0; mounts.list && i < n; i++) {
                MountBelow *mount = &mounts.list[mounts.n];

                if (!lines[i].below)
                        continue;
                mounts.n++;
                *mount = (MountBelow){strdup(lines[i].path), strdup(lines[i].type),
                                      lines[i].unbindable};
                if (!mount->path || !mount->type) {
                        mounts_below_done(&mounts);
                        return -ENOMEM;
                }
        }
        if (!mounts.list)
                return -ENOMEM;
        *ret = mounts;
        return 0;
}

int mounts_below_read(int directory, const char *mountinfo, size_t max, MountsBelow *ret)
{
        _cleanup_free_ char *text = NULL;
        _cleanup_free_ Line *lines = NULL;
        _cleanup_free_ char *path = NULL;
        struct statx of_directory;
        ssize_t found;
        size_t n = 0;
        int r = fd_read_path(directory, &path);

        if (r < 0)
                return r;
        if (statx(directory, "", AT_EMPTY_PATH | AT_STATX_DONT_SYNC, STATX_MNT_ID, &of_directory) <
            0)
                return -errno;
        r = file_read_at(AT_FDCWD, mountinfo, MOUNTINFO_MAX, &text, NULL);
        if (r == 0)
                r = parse_lines(text, &lines, &n);
        if (r < 0)
                return r;
        found = mark_below(lines, n, (unsigned)of_directory.stx_mnt_id, path, max);
        return found < 0 ? (int)found : mounts_below_copy(lines, n, (size_t)found, ret);
}

void mounts_below_done(MountsBelow *mounts)
{
        for (size_t i = 0; i < mounts->n; i++) {
                free(mounts->list[i].path);
                free(mounts->list[i].type);
        }
        free(mounts->list);
        *mounts = (MountsBelow){};
}
