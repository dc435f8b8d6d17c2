/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/event_store.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/param.h>
#include <sys/stat.h>

#include "base/clock.h"
#include "base/fail_point.h"
#include "base/fd.h"
#include "base/file.h"
#include "base/json.h"
#include "base/memfd.h"
#include "base/text.h"
#include "local/committer.h"
#include "local/deadline.h"
#include "local/log.h"

#define NEW_FILE "events"
#define OLD_FILE "events.old"
#define MARK_FILE "sequence"
#define MARK_RETRY_SEC 1
#define READ_MAX (STORE_FILE_MAX + 2 * STORE_EVENT_MAX)

struct EventStore {
        int dirfd;
        const char *boot_id;
        EventStoreFound found;

        Committer *committer;
        CommitWait wait;
        int64_t mark;    /* numbers below it may be used: it is on disk */
        int64_t written; /* that the committer has, or `mark` */

        int fd; /* of NEW_FILE; -1: it is to be opened */
        size_t n_events, size;
        bool warned; /* that events cannot be written; until they can */

        bool mark_stays;    /* the loop, which would write it, has ended */
        bool mark_warned;   /* that the mark cannot be written; until it can */
        Deadline mark_next; /* not before is a mark that could not be written tried again */
};

/* What the files say, while they are read. */
typedef struct Reading {
        EventStore *store;
        int64_t last; /* the number that was used last; 0: none, or not known yet */
        bool any;     /* `last` is known */
        bool same_boot, clean;
        size_t n_events;
} Reading;

static int read_event(Reading *reading, json_object *line, json_object *event)
{
        EventStore *store = reading->store;
        int64_t sequence = json_member_int(event, "sequence", 0);
        int64_t owner = json_member_int(line, "owner", -1);

        if (!reading->any || sequence != reading->last + 1 || owner < 0 || owner > UINT32_MAX ||
            !json_member_string(event, "name") || !json_member_string(event, "id"))
                return -EBADMSG;
        reading->last = sequence;
        reading->n_events++;
        return store->found.event((uid_t)owner, json_object_get(event), store->found.userdata);
}

static int read_boot(Reading *reading, const char *boot, int64_t next)
{
        if (next < 1 || (reading->any && next != reading->last + 1))
                return -EBADMSG;
        reading->last = next - 1;
        reading->any = true;
        reading->same_boot = strcmp(boot, reading->store->boot_id) == 0;
        return 0;
}

static int read_line(Reading *reading, const char *text, size_t size)
{
        _cleanup_json_ json_object *line = NULL;
        json_object *event;
        const char *boot;
        int r = json_parse(text, size, &line, NULL);

        if (r < 0)
                return r;
        event = json_member(line, "event");
        boot = json_member_string(line, "boot");
        reading->clean = json_member_bool(line, "clean", false);
        if (event)
                return read_event(reading, line, event);
        if (boot)
                return read_boot(reading, boot, json_member_int(line, "next", 0));
        return reading->clean ? 0 : -EBADMSG;
}

/* ret_size: the size of the whole lines; a kill -9 may have cut the last line short. */
static int event_store_read(Reading *reading, const char *name, size_t *ret_size)
{
        _cleanup_free_ char *data = NULL;
        size_t size, at = 0;
        int r = file_read_at(reading->store->dirfd, name, READ_MAX, &data, &size);

        *ret_size = 0;
        reading->n_events = 0;
        if (r < 0)
                return r == -ENOENT ? 0 : r;
        while (at < size) {
                char *end = memchr(data + at, '\n', size - at);

                if (!end)
                        break;
                r = read_line(reading, data + at, (size_t)(end - data) - at);
                if (r < 0)
                        return r;
                at = (size_t)(end - data) + 1;
        }
        *ret_size = at;
        return 0;
}

/* The highest of the versions that are there; 0: there is none; -EBADMSG: none can be read. */
static int64_t read_mark(int dirfd)
{
        static const char *const names[] = {MARK_FILE, "." MARK_FILE ".sync",
                                            "." MARK_FILE ".kept"};
        uint64_t mark = 0;
        bool bad = false;

        for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
                _cleanup_free_ char *text = NULL;
                uint64_t value;
                size_t size;
                int r = file_read_at(dirfd, names[i], 24, &text, &size);

                if (r == 0 && size && text[size - 1] == '\n')
                        text[size - 1] = 0;
                if (r == 0)
                        r = text_parse_uint(text, 1, INT64_MAX / 2, &value);
                if (r == 0)
                        mark = MAX(mark, value);
                else if (r != -ENOENT)
                        bad = true;
        }
        return bad && !mark ? -EBADMSG : (int64_t)mark;
}

static int format_mark(int64_t mark, char text[static 24])
{
        return snprintf(text, 24, "%" PRId64 "\n", mark);
}

static int sync_mark(int dirfd)
{
        _cleanup_close_ int fd = openat(dirfd, MARK_FILE, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);

        return fd < 0 || fsync(fd) < 0 || fsync(dirfd) < 0 ? -errno : 0;
}

static int event_store_remove(const EventStore *store)
{
        static const char *const names[] = {OLD_FILE, NEW_FILE};

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (unlinkat(store->dirfd, names[i], 0) < 0 && errno != ENOENT)
                        return -errno;
        return 0;
}

/* What the files have, and which number is next. Returns 1 if the numbers before it may be those of
 * lost events. */
static int event_store_recover(EventStore *store, int64_t *ret_next, size_t *ret_size)
{
        Reading reading = {.store = store};
        int64_t mark = read_mark(store->dirfd);
        size_t size = 0;
        int r = event_store_read(&reading, OLD_FILE, &size);

        if (r == 0)
                r = event_store_read(&reading, NEW_FILE, &size);
        if (r == -ENOMEM)
                return r;
        store->mark = MAX(mark, 0);
        if (r == 0 && reading.any && (reading.same_boot || reading.clean)) {
                *ret_next = reading.last + 1;
                *ret_size = size;
                store->n_events = reading.n_events;
                return 0;
        }
        store->found.forget(store->found.userdata);
        r = event_store_remove(store);
        if (r < 0)
                return r;
        if (mark < 0) { /* Whatever the numbers were, there cannot have been that many events. */
                *ret_next = clock_now_usec();
                log_warning("file %s is not readable, event numbers continue at %" PRId64,
                            MARK_FILE, *ret_next);
        } else {
                *ret_next = MAX(MAX(mark, reading.last + 1), 1);
        }
        *ret_size = 0;
        return mark != 0;
}

static int append_text(EventStore *store, const char *text, size_t size)
{
        int r = fd_write_all(store->fd, text, size);

        if (r == 0)
                store->size += size;
        return r;
}

/* size: what is kept of the file. next: the number of the next event. */
static int event_store_open(EventStore *store, size_t size, int64_t next)
{
        char text[96];
        int n = snprintf(text, sizeof(text), "{\"boot\":\"%s\",\"next\":%" PRId64 "}\n",
                         store->boot_id, next);

        store->fd =
                openat(store->dirfd, NEW_FILE, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (store->fd < 0)
                return -errno;
        if (ftruncate(store->fd, (off_t)size) < 0 || lseek(store->fd, 0, SEEK_END) < 0)
                return -errno;
        store->size = size;
        return append_text(store, text, (size_t)n);
}

/* A full file becomes the old one. */
static int event_store_make_room(EventStore *store, int64_t next)
{
        if (store->fd >= 0 && store->n_events < STORE_EVENTS_MAX && store->size < STORE_FILE_MAX)
                return 0;
        if (store->fd >= 0) {
                closep(&store->fd);
                store->fd = -1;
                if (renameat(store->dirfd, NEW_FILE, store->dirfd, OLD_FILE) < 0)
                        return -errno;
                fail_point("events: file is old");
        }
        store->n_events = 0;
        return event_store_open(store, 0, next);
}

static int write_event(EventStore *store, uid_t owner, json_object *event)
{
        /* what is made a text keeps it, and the event is kept for long */
        _cleanup_json_ json_object *wrapper = json_build("owner", json_object_new_int64(owner),
                                                         "event", json_object_get(event), NULL);
        _cleanup_(buffer_done) Buffer line = {};
        int r = wrapper ? buffer_appendf(&line, "%s\n", json_text(wrapper)) : -ENOMEM;

        if (r == 0)
                r = event_store_make_room(store, json_member_int(event, "sequence", 0));
        if (r == 0)
                r = append_text(store, line.data, line.size);
        if (r == 0)
                store->n_events++;
        fail_point("events: event is written");
        return r;
}

/* Without the event the files are of no use: a later daemon would give its number to another. */
static bool event_store_drop(EventStore *store, int cause)
{
        int r;

        closep(&store->fd);
        store->fd = -1;
        r = event_store_remove(store);
        if (!store->warned || r < 0)
                log_warning("cannot write %s: %s; a restart of the daemon loses events", NEW_FILE,
                            strerror(-cause));
        store->warned = true;
        return r == 0;
}

/* r: whether the mark that was written last is on disk; -errno: an event tries it again. */
static void event_store_take_mark(EventStore *store, int r)
{
        if (r == 0) {
                store->mark = store->written;
                store->mark_warned = false;
                return;
        }
        store->written = store->mark;
        store->mark_next = deadline_in(MARK_RETRY_SEC);
        if (!store->mark_warned)
                log_warning("cannot write %s: %s", MARK_FILE, strerror(-r));
        store->mark_warned = true;
}

static void on_marked(CommitWait *wait, int r)
{
        event_store_take_mark(container_of(wait, EventStore, wait), r);
}

/* Moves the mark once half of its block is used. */
static void advance(EventStore *store, int64_t sequence)
{
        char text[24];
        int r;

        if (store->mark_stays || store->written != store->mark ||
            store->mark - sequence > STORE_BLOCK / 2 ||
            (store->mark_warned && deadline_left_usec(&store->mark_next) > 0))
                return;
        store->written = sequence + STORE_BLOCK;
        r = committer_write(store->committer, MARK_FILE, text,
                            (size_t)format_mark(store->written, text));
        if (r == 0)
                r = committer_wait(store->committer, MARK_FILE, &store->wait, on_marked);
        if (r <= 0)
                event_store_take_mark(store, r);
}

bool event_store_append(EventStore *store, int64_t sequence, uid_t owner, json_object *event)
{
        int r;

        advance(store, sequence);
        if (sequence >= store->mark)
                return false;
        r = write_event(store, owner, event);
        if (r < 0 && !event_store_drop(store, r))
                return false;
        if (r == 0)
                store->warned = false;
        return true;
}

/* The mark that was read may be of a daemon that was killed before it was synced. */
static int event_store_begin_mark(EventStore *store, int64_t next)
{
        bool suffices = store->mark - next > STORE_BLOCK / 2;
        char text[24];
        int r;

        if (!suffices)
                store->mark = next + STORE_BLOCK;
        r = file_write_atomic_at(store->dirfd, MARK_FILE, text,
                                 (size_t)format_mark(store->mark, text), 0600);
        /* a full disk does not prevent a start */
        return r == -ENOSPC && suffices ? sync_mark(store->dirfd) : r;
}

int event_store_new(uv_loop_t *loop, int state_dirfd, const char *boot_id,
                    const EventStoreFound *found, EventStore **ret, int64_t *ret_next,
                    bool *ret_broken)
{
        _cleanup_(event_store_freep) EventStore *store = calloc(1, sizeof(*store));
        int r, broken;
        size_t size;

        if (!store)
                return -ENOMEM;
        *store = (EventStore){.dirfd = state_dirfd, .boot_id = boot_id, .found = *found, .fd = -1};
        store->committer = committer_new(loop, state_dirfd);
        if (!store->committer)
                return -ENOMEM;
        r = broken = event_store_recover(store, ret_next, &size);
        if (r >= 0)
                r = event_store_begin_mark(store, *ret_next);
        if (r < 0)
                return r;
        store->written = store->mark;
        fail_point("events: mark is on disk");
        r = event_store_open(store, size, *ret_next);
        /* or a crash may leave the file as the last daemon ended it in good order */
        if (r == 0 && fsync(store->fd) < 0)
                r = -errno;
        if (r < 0 && !event_store_drop(store, r))
                return r;
        *ret_broken = broken > 0;
        *ret = TAKE_PTR(store);
        return 0;
}

void event_store_keep_mark(EventStore *store)
{
        store->mark_stays = true;
}

void event_store_discard(EventStore *store)
{
        int r;

        closep(&store->fd);
        store->fd = -1;
        r = event_store_remove(store);
        if (r < 0)
                log_warning("cannot remove %s: %s; that events are lost is not reported", NEW_FILE,
                            strerror(-r));
}

EventStore *event_store_free(EventStore *store)
{
        static const char clean[] = "{\"clean\":true}\n";

        if (!store)
                return NULL;
        commit_wait_cancel(&store->wait);
        committer_free(store->committer);
        /* Not synced: the daemon's end waits for no disk here. Without the line, after a crash of
         * the host, the next daemon takes the events for incomplete. */
        if (store->fd >= 0)
                (void)append_text(store, clean, sizeof(clean) - 1);
        closep(&store->fd);
        free(store);
        return NULL;
}
