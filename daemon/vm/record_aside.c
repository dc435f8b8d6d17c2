/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/record_aside.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/file.h"
#include "base/text.h"
#include "local/log.h"

#define DAY 86400

typedef struct BadRecord {
        char *name;
        struct timespec since;
} BadRecord;

typedef struct BadRecords {
        BadRecord *list;
        size_t n;
} BadRecords;

static void bad_records_done(BadRecords *records)
{
        for (size_t i = 0; i < records->n; i++)
                free(records->list[i].name);
        free(records->list);
}

void record_set_aside(int records_fd, const char *file, const char *suffix, const char *reason)
{
        _cleanup_free_ char *aside = text_format("%s%s", file, suffix);

        log_error("record %s is set aside as %s%s: %s", file, file, suffix, reason);
        if (!aside || renameat(records_fd, file, records_fd, aside) < 0)
                log_error("cannot set record %s aside", file);
        else /* from now on it ages: not every file system lets a rename change ctime */
                utimensat(records_fd, aside, NULL, AT_SYMLINK_NOFOLLOW);
}

bool record_is_set_aside(int records_fd, const char *id, const char *suffix)
{
        _cleanup_free_ char *file = text_format("%s.json%s", id, suffix);

        return !file || faccessat(records_fd, file, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

static int add_bad(BadRecords *records, int records_fd, const char *name)
{
        BadRecord *grown;
        struct stat st;

        if (fstatat(records_fd, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
                return 0;
        grown = reallocarray(records->list, records->n + 1, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        records->list = grown;
        grown[records->n] = (BadRecord){strdup(name), st.st_ctim};
        if (!grown[records->n].name)
                return -ENOMEM;
        records->n++;
        return 0;
}

static int read_bad(int records_fd, BadRecords *ret)
{
        int fd = openat(records_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), r = 0;
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                closep(&fd);
                return -ENOMEM;
        }
        while (r == 0 && (entry = readdir(dir)))
                if (text_has_suffix(entry->d_name, ".json" RECORD_BAD))
                        r = add_bad(ret, records_fd, entry->d_name);
        closedir(dir);
        return r;
}

static int compare_bad(const void *a, const void *b)
{
        const BadRecord *x = a, *y = b;

        /* the newest first */
        if (x->since.tv_sec != y->since.tv_sec)
                return x->since.tv_sec < y->since.tv_sec ? 1 : -1;
        return (x->since.tv_nsec < y->since.tv_nsec) - (x->since.tv_nsec > y->since.tv_nsec);
}

void record_trim_bad(int records_fd, time_t now)
{
        _cleanup_(bad_records_done) BadRecords records = {};
        size_t n_left = 0;

        if (read_bad(records_fd, &records) < 0)
                log_warning("cannot look for records that were set aside");
        if (records.n > 0)
                qsort(records.list, records.n, sizeof(*records.list), compare_bad);
        for (size_t i = 0; i < records.n; i++) {
                const BadRecord *record = &records.list[i];
                bool old = i >= RECORDS_BAD_MIN &&
                           now - record->since.tv_sec > (time_t)RECORDS_BAD_DAYS * DAY;

                if ((!old && i < RECORDS_BAD_MAX) || unlinkat(records_fd, record->name, 0) < 0)
                        n_left++;
                else
                        log_warning("%s, a record that was set aside, is removed: %s", record->name,
                                    old ? "it is older than 30 days" : "there are too many");
        }
        if (n_left > 0) {
                _cleanup_free_ char *path = file_path_at(records_fd, "*.json" RECORD_BAD);

                log_warning("records from which no CVM came are set aside as %s: %zu; look at them "
                            "and remove them (the newest %u are kept, for %d days, "
                            "and the newest %u of them for longer)",
                            path ?: "*.json" RECORD_BAD, n_left, RECORDS_BAD_MAX, RECORDS_BAD_DAYS,
                            RECORDS_BAD_MIN);
        }
}
