/* SPDX-License-Identifier: Apache-2.0 */
#include "local/subuids.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "base/file.h"
#include "base/text.h"

typedef struct Range {
        uid_t first, last, account;
} Range;

struct Subuids {
        size_t n;
        Range ranges[]; /* by their first uids */
};

/* The next line without its end; NULL: none. */
static char *next_line(char **text)
{
        char *line = *text, *end;

        if (!line || !*line)
                return NULL;
        end = strchr(line, '\n');
        if (end)
                *end = 0;
        *text = end ? end + 1 : NULL;
        return line;
}

/* Field `index` of a line, up to the next ':' or its end, in `ret`; false: it has none, or one that
 * is too long. */
static bool field_of(const char *line, unsigned index, char *ret, size_t size)
{
        size_t length;

        for (; index > 0; index--) {
                line = strchr(line, ':');
                if (!line++)
                        return false;
        }
        length = strcspn(line, ":");
        if (length == 0 || length >= size)
                return false;
        memcpy(ret, line, length);
        ret[length] = 0;
        return true;
}

static bool number_of(const char *line, unsigned index, uint64_t max, uint64_t *ret)
{
        char text[24];

        return field_of(line, index, text, sizeof(text)) && text_parse_uint(text, 0, max, ret) == 0;
}

/* Whether passwd has this name, and its uid. */
static bool find_user(const char *passwd, const char *name, uint64_t *ret)
{
        size_t length = strlen(name);

        for (const char *line = passwd; line && *line; line = strchr(line, '\n')) {
                char number[24];
                size_t end;

                line += *line == '\n';
                if (strncmp(line, name, length) != 0 || line[length] != ':')
                        continue;
                if (!field_of(line, 2, number, sizeof(number)))
                        continue;
                end = strcspn(number, "\n");
                number[end] = 0;
                return text_parse_uint(number, 0, UINT32_MAX - 1, ret) == 0;
        }
        return false;
}

static bool parse_range(const char *line, const char *passwd, Range *ret)
{
        uint64_t first, count, owner;
        char name[256];

        if (!field_of(line, 0, name, sizeof(name)) || !number_of(line, 1, UINT32_MAX - 1, &first) ||
            !number_of(line, 2, UINT32_MAX, &count) || first == 0 || count == 0)
                return false;
        if (text_parse_uint(name, 0, UINT32_MAX - 1, &owner) < 0 &&
            !find_user(passwd, name, &owner))
                owner = 0;
        *ret = (Range){
                .first = (uid_t)first,
                .last = (uid_t)MIN(first + count - 1, UINT32_MAX - UINT64_C(1)),
                .account = owner ? (uid_t)owner : (uid_t)first,
        };
        return true;
}

static int compare_ranges(const void *a, const void *b)
{
        const Range *x = a, *y = b;

        return (x->first > y->first) - (x->first < y->first);
}

static int read_text(const char *path, char **ret)
{
        size_t size;
        int r = file_read_at(AT_FDCWD, path, SUBUIDS_BYTES_MAX, ret, &size);

        if (r == -ENOENT) {
                *ret = strdup("");
                return *ret ? 0 : -ENOMEM;
        }
        return r;
}

int subuids_read(const char *subuid, const char *passwd, Subuids **ret)
{
        _cleanup_free_ char *text = NULL, *users = NULL;
        size_t lines = 1;
        Subuids *subuids;
        char *rest, *line;
        int r = read_text(subuid, &text);

        if (r == 0)
                r = read_text(passwd, &users);
        if (r < 0)
                return r;
        for (const char *p = text; *p; p++)
                lines += *p == '\n';
        lines = MIN(lines, (size_t)SUBUIDS_RANGES_MAX);
        subuids = calloc(1, sizeof(*subuids) + lines * sizeof(Range));
        if (!subuids)
                return -ENOMEM;
        rest = text;
        while (subuids->n < lines && (line = next_line(&rest)))
                subuids->n += parse_range(line, users, &subuids->ranges[subuids->n]);
        qsort(subuids->ranges, subuids->n, sizeof(Range), compare_ranges);
        *ret = subuids;
        return 0;
}

Subuids *subuids_free(Subuids *subuids)
{
        free(subuids);
        return NULL;
}

uid_t subuids_account(const Subuids *subuids, uid_t uid)
{
        for (size_t i = subuids ? subuids->n : 0; i > 0; i--) {
                const Range *range = &subuids->ranges[i - 1];

                if (uid >= range->first && uid <= range->last)
                        return range->account;
        }
        return uid;
}
