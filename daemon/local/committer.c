/* SPDX-License-Identifier: Apache-2.0 */
#include "local/committer.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>

#include "base/fail_point.h"
#include "base/file.h"
#include "base/text.h"
#include "local/log.h"

#define KEPT ".kept" /* on disk */
#define NAMES_MAX 8  /* in a line of the log */
#define SYNC ".sync" /* at the worker, and replaced already */

/* A file that was written since the committer began, or is being committed. */
typedef struct CommitFile {
        char *name;
        uint64_t version;   /* that was written last */
        uint64_t settled;   /* up to which one waits have their answer */
        uint64_t at_worker; /* the one that the worker has; 0: none */
        int fd;             /* owned; of the last version until a worker has it, then -1 */
        int worker_fd;      /* owned; of the one that the worker has */
        int worker_r;
        int failed;   /* -errno of the last commit, or 0 */
        bool removed; /* gone once the worker is done */
        LIST_HEAD(, CommitWait) waits;
        LIST_ENTRY(CommitFile) entry;
        STAILQ_ENTRY(CommitFile) working;
} CommitFile;

struct Committer {
        uv_loop_t *loop;
        int dirfd;
        bool works;
        LIST_HEAD(, CommitFile) files;
        STAILQ_HEAD(, CommitFile) working; /* the worker's */
        uv_work_t work;
};

static char *hidden_name(const char *name, const char *suffix)
{
        return text_format(".%s%s", name, suffix);
}

static int remove_hidden(const Committer *committer, const char *name, const char *suffix)
{
        _cleanup_free_ char *hidden = hidden_name(name, suffix);

        if (!hidden)
                return -ENOMEM;
        return unlinkat(committer->dirfd, hidden, 0) < 0 && errno != ENOENT ? -errno : 0;
}

/* Moves one over the other: ".NAME.sync" to ".NAME.kept", or either to NAME ("" for that). */
static int move_hidden(const Committer *committer, const char *name, const char *from,
                       const char *to)
{
        _cleanup_free_ char *hidden = hidden_name(name, from);
        _cleanup_free_ char *target = *to ? hidden_name(name, to) : strdup(name);

        if (!hidden || !target)
                return -ENOMEM;
        return renameat(committer->dirfd, hidden, committer->dirfd, target) < 0 ? -errno : 0;
}

/* Gives the version that is there a second name, which outlives its replacement. */
static int committer_keep(const Committer *committer, const char *name, const char *suffix)
{
        _cleanup_free_ char *hidden = hidden_name(name, suffix);
        int r = remove_hidden(committer, name, suffix);

        if (!hidden || r < 0)
                return hidden ? r : -ENOMEM;
        r = linkat(committer->dirfd, name, committer->dirfd, hidden, 0);
        return r < 0 && errno != ENOENT ? -errno : 0;
}

static CommitFile *committer_find_file(const Committer *committer, const char *name)
{
        CommitFile *file;

        LIST_FOREACH (file, &committer->files, entry)
                if (!file->removed && strcmp(file->name, name) == 0)
                        return file;
        return NULL;
}

static CommitFile *add_file(Committer *committer, const char *name)
{
        CommitFile *file = calloc(1, sizeof(*file));

        if (!file || !(file->name = strdup(name))) {
                free(file);
                return NULL;
        }
        file->fd = -1;
        LIST_INIT(&file->waits);
        LIST_INSERT_HEAD(&committer->files, file, entry);
        return file;
}

static void free_file(CommitFile *file)
{
        LIST_REMOVE(file, entry);
        closep(&file->fd);
        free(file->name);
        free(file);
}

/* Answers those whose version is settled. Each may write, remove and wait. */
static void tell_waits(Committer *committer)
{
        CommitFile *file;
        CommitWait *wait;

        do {
                wait = NULL;
                LIST_FOREACH (file, &committer->files, entry) {
                        LIST_FOREACH (wait, &file->waits, entry)
                                if (wait->version <= file->settled)
                                        break;
                        if (wait)
                                break;
                }
                if (wait) {
                        CommitDone done = TAKE_PTR(wait->done);

                        LIST_REMOVE(wait, entry);
                        done(wait, file->failed);
                }
        } while (wait);
}

/* Brings what the worker has to the disk. */
static void sync_files(Committer *committer)
{
        CommitFile *file;
        int r;

        STAILQ_FOREACH (file, &committer->working, working) {
                file->worker_r = fsync(file->worker_fd) < 0 ? -errno : 0;
                closep(&file->worker_fd);
        }
        fail_point("commit: files are on disk");
        r = fsync(committer->dirfd) < 0 && errno != EINVAL ? -errno : 0;
        STAILQ_FOREACH (file, &committer->working, working)
                if (file->worker_r == 0)
                        file->worker_r = r;
        fail_point("commit: directory is on disk");
}

/* Gives the worker all that was written; false if there is nothing. */
static bool committer_hand_over(Committer *committer)
{
        CommitFile *file;

        STAILQ_INIT(&committer->working);
        LIST_FOREACH (file, &committer->files, entry) {
                if (file->fd < 0)
                        continue;
                file->worker_fd = TAKE_FD(file->fd);
                file->at_worker = file->version;
                STAILQ_INSERT_TAIL(&committer->working, file, working);
        }
        return !STAILQ_EMPTY(&committer->working);
}

static void log_not_on_disk(const Committer *committer, const CommitFile *file)
{
        _cleanup_free_ char *path = file_path_at(committer->dirfd, file->name);

        log_error("cannot bring %s to the disk: %s", path ?: file->name, strerror(-file->failed));
}

/* What was kept next to the version that the worker had is not needed any more, or that version is
 * kept itself. */
static void settle(Committer *committer, CommitFile *file)
{
        bool replaced = file->fd >= 0;

        file->settled = file->at_worker;
        file->at_worker = 0;
        file->failed = file->worker_r;
        if (file->failed < 0)
                log_not_on_disk(committer, file);
        if (replaced && file->failed == 0)
                (void)move_hidden(committer, file->name, SYNC, KEPT);
        else if (replaced)
                (void)remove_hidden(committer, file->name, SYNC);
        if (!replaced && file->failed == 0) {
                (void)remove_hidden(committer, file->name, SYNC);
                (void)remove_hidden(committer, file->name, KEPT);
        }
}

static void settle_all(Committer *committer)
{
        CommitFile *file;

        while ((file = STAILQ_FIRST(&committer->working))) {
                STAILQ_REMOVE_HEAD(&committer->working, working);
                if (file->removed)
                        free_file(file);
                else
                        settle(committer, file);
        }
}

static void on_work(uv_work_t *work)
{
        sync_files(container_of(work, Committer, work));
}

static void committer_begin(Committer *committer);

static void on_done(uv_work_t *work, int status)
{
        Committer *committer = container_of(work, Committer, work);

        settle_all(committer);
        fail_point("commit: settled");
        committer->works = false;
        committer_begin(committer);
        tell_waits(committer);
}

static void committer_begin(Committer *committer)
{
        if (committer->works || !committer_hand_over(committer))
                return;
        committer->works = true;
        /* fails without a function only */
        (void)uv_queue_work(committer->loop, &committer->work, on_work, on_done);
}

Committer *committer_new(uv_loop_t *loop, int dirfd)
{
        Committer *committer = calloc(1, sizeof(*committer));

        if (!committer)
                return NULL;
        committer->loop = loop;
        committer->dirfd = dirfd;
        LIST_INIT(&committer->files);
        STAILQ_INIT(&committer->working);
        return committer;
}

Committer *committer_free(Committer *committer)
{
        if (!committer)
                return NULL;
        if (committer_hand_over(committer)) {
                sync_files(committer);
                settle_all(committer);
        }
        while (!LIST_EMPTY(&committer->files))
                free_file(LIST_FIRST(&committer->files));
        free(committer);
        return NULL;
}

bool committer_is_idle(const Committer *committer)
{
        return !committer || !committer->works;
}

void committer_count(const Committer *committer, size_t *ret_waiting, size_t *ret_working)
{
        size_t waiting = 0, working = 0;
        const CommitFile *file;

        LIST_FOREACH (file, &committer->files, entry) {
                waiting += file->fd >= 0;
                working += file->at_worker != 0;
        }
        *ret_waiting = waiting;
        *ret_working = working;
}

char *committer_list_unwritten(const Committer *committer)
{
        _cleanup_(buffer_done) Buffer text = {};
        const CommitFile *file;
        size_t n = 0;

        LIST_FOREACH (file, &committer->files, entry) {
                if (file->removed || file->settled >= file->version || ++n > NAMES_MAX)
                        continue;
                if (buffer_appendf(&text, "%s%s", n > 1 ? ", " : "", file->name) < 0)
                        return NULL;
        }
        if (n > NAMES_MAX && buffer_appendf(&text, " and %zu more", n - NAMES_MAX) < 0)
                return NULL;
        return text.data ? strdup(text.data) : NULL;
}

/* Keeps the present version if it is worth keeping. Returns 1 if it does. */
static int keep_last(const Committer *committer, const CommitFile *file)
{
        int r;

        /* The one before it is kept; or it is not on disk, and no worker brings it there. */
        if (file->fd >= 0 || (file->failed < 0 && !file->at_worker))
                return 0;
        r = committer_keep(committer, file->name, file->at_worker ? SYNC : KEPT);
        return r < 0 ? r : 1;
}

int committer_write(Committer *committer, const char *name, const void *data, size_t size)
{
        CommitFile *file = committer_find_file(committer, name) ?: add_file(committer, name);
        int r, kept, fd = -1;

        if (!file)
                return -ENOMEM;
        r = kept = keep_last(committer, file);
        if (r >= 0)
                r = file_replace_at(committer->dirfd, name, data, size, 0600, &fd);
        if (r < 0) {
                if (kept > 0)
                        (void)remove_hidden(committer, name, file->at_worker ? SYNC : KEPT);
                return r;
        }
        closep(&file->fd);
        file->fd = fd;
        file->version++;
        committer_begin(committer);
        return 0;
}

int committer_remove(Committer *committer, const char *name)
{
        CommitFile *file = committer_find_file(committer, name);
        int r = remove_hidden(committer, name, SYNC);

        if (r == 0)
                r = remove_hidden(committer, name, KEPT);
        if (unlinkat(committer->dirfd, name, 0) < 0 && errno != ENOENT && r == 0)
                r = -errno;
        if (!file)
                return r;
        closep(&file->fd);
        file->fd = -1;
        file->settled = file->version;
        file->failed = 0;
        file->removed = true; /* who waits may write or remove the same name */
        tell_waits(committer);
        if (!file->at_worker)
                free_file(file);
        return r;
}

int committer_wait(Committer *committer, const char *name, CommitWait *wait, CommitDone done)
{
        CommitFile *file = committer_find_file(committer, name);

        if (!file || file->settled >= file->version)
                return file ? file->failed : 0;
        *wait = (CommitWait){.done = done, .version = file->version};
        LIST_INSERT_HEAD(&file->waits, wait, entry);
        return 1;
}

void commit_wait_cancel(CommitWait *wait)
{
        if (wait->done)
                LIST_REMOVE(wait, entry);
        wait->done = NULL;
}

bool committer_is_kept(const char *name)
{
        return name[0] == '.' && (text_has_suffix(name, KEPT) || text_has_suffix(name, SYNC));
}

int committer_restore(Committer *committer, const char *name)
{
        int r = move_hidden(committer, name, SYNC, "");

        if (r == -ENOENT)
                r = move_hidden(committer, name, KEPT, "");
        if (r == -ENOENT)
                return 0;
        return r < 0 ? r : 1;
}

static bool has_hidden(const Committer *committer, const char *name, const char *suffix)
{
        _cleanup_free_ char *hidden = hidden_name(name, suffix);

        return hidden && faccessat(committer->dirfd, hidden, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int committer_adopt(Committer *committer, const char *name)
{
        _cleanup_close_ int fd = -1;
        CommitFile *file;

        if (!has_hidden(committer, name, KEPT) && !has_hidden(committer, name, SYNC))
                return 0;
        if (committer_find_file(committer, name))
                return 0; /* it was written since: that version is committed */
        fd = openat(committer->dirfd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC);
        if (fd < 0)
                return -errno;
        file = add_file(committer, name);
        if (!file)
                return -ENOMEM;
        file->fd = TAKE_FD(fd);
        file->version = 1;
        committer_begin(committer);
        return 0;
}
