/* SPDX-License-Identifier: Apache-2.0 */
#include "local/subuids.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

#include "base/file.h"
#include "base/text.h"

#define NOBODY UINT64_MAX /* a name that passwd does not have */

typedef struct Range {
        uid_t first, last, account;
        uid_t reach; /* the largest `last` of this one and those before it */
        bool roots;
} Range;

/* A line of passwd(5). */
typedef struct User {
        const char *name; /* borrowed from the file's text */
        size_t length;
        uid_t uid;
} User;

typedef struct Users {
        User *list; /* by their names */
        size_t n;
} Users;

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

static int compare_users(const void *a, const void *b)
{
        const User *x = a, *y = b;
        int order = memcmp(x->name, y->name, MIN(x->length, y->length));

        return order ?: (x->length > y->length) - (x->length < y->length);
}

/* Sorted, as there may be as many ranges as users. The text is cut into lines. */
static int index_users(char *passwd, Users *ret)
{
        size_t lines = 1;
        char *line;
        User *list;

        for (const char *p = passwd; *p; p++)
                lines += *p == '\n';
        list = calloc(lines, sizeof(*list));
        if (!list)
                return -ENOMEM;
        *ret = (Users){list, 0};
        while ((line = next_line(&passwd))) {
                uint64_t uid;

                if (number_of(line, 2, UINT32_MAX - 1, &uid))
                        list[ret->n++] = (User){line, strcspn(line, ":"), (uid_t)uid};
        }
        qsort(list, ret->n, sizeof(*list), compare_users);
        return 0;
}

static bool find_user(const Users *users, const char *name, uint64_t *ret)
{
        const User key = {name, strlen(name), 0};
        const User *user = bsearch(&key, users->list, users->n, sizeof(key), compare_users);

        if (user)
                *ret = user->uid;
        return user;
}

static bool parse_range(const char *line, const Users *users, Range *ret)
{
        uint64_t first, count, owner;
        char name[256];

        if (!field_of(line, 0, name, sizeof(name)) || !number_of(line, 1, UINT32_MAX - 1, &first) ||
            !number_of(line, 2, UINT32_MAX, &count) || first == 0 || count == 0)
                return false;
        if (text_parse_uint(name, 0, UINT32_MAX - 1, &owner) < 0 && !find_user(users, name, &owner))
                owner = NOBODY;
        *ret = (Range){
                .first = (uid_t)first,
                .last = (uid_t)MIN(first + count - 1, UINT32_MAX - UINT64_C(1)),
                .account = owner && owner != NOBODY ? (uid_t)owner : (uid_t)first,
                .roots = owner == 0,
        };
        return true;
}

static int compare_ranges(const void *a, const void *b)
{
        const Range *x = a, *y = b;

        return (x->first > y->first) - (x->first < y->first);
}

static void users_done(Users *users)
{
        free(users->list);
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

/* Lines other than comments and empty ones: one range each, if they are understood. */
static size_t count_lines(const char *text)
{
        size_t n = 0;

        for (const char *line = text; line && *line; line = strchr(line, '\n')) {
                line += *line == '\n';
                n += *line && *line != '\n' && *line != '#';
        }
        return n;
}

static int subuids_parse(char *text, const Users *users, Subuids **ret)
{
        size_t lines = count_lines(text);
        Subuids *subuids;
        uid_t reach = 0;
        char *line;

        if (lines > SUBUIDS_RANGES_MAX)
                return -E2BIG;
        subuids = calloc(1, sizeof(*subuids) + (lines + 1) * sizeof(Range));
        if (!subuids)
                return -ENOMEM;
        while ((line = next_line(&text)))
                if (*line && *line != '#')
                        subuids->n += parse_range(line, users, &subuids->ranges[subuids->n]);
        qsort(subuids->ranges, subuids->n, sizeof(Range), compare_ranges);
        for (size_t i = 0; i < subuids->n; i++)
                subuids->ranges[i].reach = reach = MAX(reach, subuids->ranges[i].last);
        *ret = subuids;
        return 0;
}

int subuids_read(const char *subuid, const char *passwd, Subuids **ret, char **ret_message)
{
        _cleanup_free_ char *text = NULL, *names = NULL;
        _cleanup_(users_done) Users users = {};
        const char *file = subuid;
        int r;

        r = read_text(file, &text);
        if (r == 0)
                r = read_text(file = passwd, &names);
        if (r == 0)
                r = index_users(names, &users);
        if (r == 0)
                r = subuids_parse(text, &users, ret);
        if (r == -E2BIG)
                *ret_message =
                        text_format("%s: has more than %u ranges", subuid, SUBUIDS_RANGES_MAX);
        else if (r < 0 && r != -ENOMEM)
                *ret_message = text_format("%s: %s: without it, one user could have the quotas of "
                                           "many (subordinate uids)",
                                           file, strerror(-r));
        return r;
}

Subuids *subuids_free(Subuids *subuids)
{
        free(subuids);
        return NULL;
}

/* Of the ranges that have the uid the one that begins last. */
static const Range *find_range(const Subuids *subuids, uid_t uid)
{
        size_t n = subuids ? subuids->n : 0, before = 0;

        while (before < n) { /* how many begin at this uid or before */
                size_t middle = before + (n - before) / 2;

                if (subuids->ranges[middle].first <= uid)
                        before = middle + 1;
                else
                        n = middle;
        }
        for (; before > 0 && subuids->ranges[before - 1].reach >= uid; before--)
                if (subuids->ranges[before - 1].last >= uid)
                        return &subuids->ranges[before - 1];
        return NULL;
}

uid_t subuids_account(const Subuids *subuids, uid_t uid)
{
        const Range *range = find_range(subuids, uid);

        return range ? range->account : uid;
}

int subuids_check(const Subuids *subuids, const char *path, uid_t first, uid_t last,
                  char **ret_message)
{
        for (size_t i = 0; subuids && i < subuids->n; i++) {
                const Range *range = &subuids->ranges[i];

                if (range->roots || range->first > last || range->last < first)
                        continue;
                *ret_message = text_format(
                        "%s: the range of uid %u that begins at %u has uids of CVMs (%u to "
                        "%u), whose QEMUs it could take over; change the range, or 'uids' in "
                        "cvmd.conf",
                        path, range->account, range->first, first, last);
                return *ret_message ? -EINVAL : -ENOMEM;
        }
        return 0;
}
