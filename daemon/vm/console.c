/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/console.h"

#include <string.h>
#include <sys/param.h>

#include "base/backlog.h"
#include "local/log.h"
#include "vm/console_files.h"

#define RING_FIRST 1024u       /* bytes; doubled as required */
#define SAVE_BYTES_MAX 262144u /* that a worker has at once */

/* Bytes that are counted to a user. */
typedef struct ConsoleCharge {
        Ledger *ledger; /* borrowed; NULL: nothing is counted */
        uid_t uid;
        size_t bytes;
} ConsoleCharge;

/* What a worker writes to the files. */
typedef struct ConsoleSave {
        DiskJob job;
        ConsoleCharge charge;
        ConsoleFiles *files; /* a reference */
        Console *console;    /* NULL: it has been freed */
        uint64_t from;       /* offset of data */
        size_t size;
        uint64_t end; /* up to which the files have the stream then */
        int r;
        char data[];
} ConsoleSave;

/* The ring holds the last bytes written, and the files hold all but its last `unsaved` ones, or a
 * worker is writing those. What falls out of the ring unsaved is lost to the files, unless a worker
 * has it. */
struct Console {
        ConsoleFiles *files;  /* a reference */
        DiskQueue *queue;     /* borrowed; NULL: files are written at once */
        ConsoleCharge charge; /* for what the ring has above CONSOLE_RING */
        ConsoleSave *saving;  /* that the queue has; NULL: none */
        bool failed;          /* the files could not be written last */
        bool lost;            /* output was lost to the files, which is logged once */
        bool removed;         /* nothing is saved any more */
        char *name;
        List followers;
        Backlog *backlog;            /* of the followers; NULL: there are none */
        char *ring;                  /* grows with what is written */
        size_t capacity;             /* of ring, at most CONSOLE_QUEUE */
        size_t start, used, unsaved; /* of ring; unsaved <= used <= capacity */
        uint64_t end;                /* how many bytes were written */
        uint64_t cleared_at;         /* its value then */
        ConsoleTimes times;
};

int console_new(DiskQueue *queue, int dirfd, const char *name, uint64_t bytes, uint32_t files,
                Console **ret)
{
        Console *console = calloc(1, sizeof(*console));

        if (!console)
                return -ENOMEM;
        console->queue = queue;
        console->files = console_files_new(queue, dirfd, name, bytes, files);
        console_times_clear(&console->times);
        console->name = strdup(name);
        if (!console->files || !console->name) {
                console_free(console);
                return -ENOMEM;
        }
        *ret = console;
        return 0;
}

static void console_charge_set(ConsoleCharge *charge, size_t bytes)
{
        if (!charge->ledger)
                return;
        if (bytes > charge->bytes)
                ledger_count(charge->ledger, charge->uid, bytes - charge->bytes);
        else if (bytes < charge->bytes)
                ledger_give_back(charge->ledger, charge->uid, charge->bytes - bytes);
        charge->bytes = bytes;
}

/* A charge of the same user. */
static ConsoleCharge console_charge_new(const ConsoleCharge *of, size_t bytes)
{
        ConsoleCharge charge = {.ledger = of->ledger, .uid = of->uid};

        console_charge_set(&charge, bytes);
        return charge;
}

void console_count_to(Console *console, Ledger *ledger, uid_t uid)
{
        console->charge = (ConsoleCharge){.ledger = ledger, .uid = uid};
}

static void console_save_free(ConsoleSave *save)
{
        console_charge_set(&save->charge, 0);
        console_files_unref(save->files);
        free(save);
}

static void on_save(DiskJob *job)
{
        ConsoleSave *save = container_of(job, ConsoleSave, job);

        save->r = console_files_append(save->files, save->from, save->data, save->size, &save->end);
}

/* Copies `size` bytes of the ring's last `last` ones, from their beginning. */
static void console_ring_copy(const Console *console, size_t last, char *to, size_t size)
{
        for (size_t i = 0; i < size;) {
                size_t at = (console->start + console->used - last + i) % console->capacity;
                size_t n = MIN(size - i, console->capacity - at);

                memcpy(to + i, console->ring + at, n);
                i += n;
        }
}

/* Makes the ring larger or smaller; what does not fit any more is lost from its beginning. Without
 * memory it stays as it is. */
static void console_ring_resize(Console *console, size_t capacity)
{
        char *ring = malloc(capacity);
        size_t used = MIN(console->used, capacity);

        if (!ring)
                return;
        console_ring_copy(console, used, ring, used);
        free(console->ring);
        console_charge_set(&console->charge, MAX(capacity, CONSOLE_RING) - CONSOLE_RING);
        console->ring = ring;
        console->capacity = capacity;
        console->start = 0;
        console->used = used;
        console->unsaved = MIN(console->unsaved, used);
}

static void on_saved(DiskJob *job);

/* What is not saved yet, from its beginning, as much as a worker gets. NULL: without memory. */
static ConsoleSave *console_save_new(const Console *console)
{
        size_t size = MIN(console->unsaved, SAVE_BYTES_MAX);
        ConsoleSave *save = malloc(sizeof(*save) + size);

        if (!save)
                return NULL;
        *save = (ConsoleSave){.charge = console_charge_new(&console->charge, size),
                              .files = console_files_ref(console->files),
                              .from = console->end - console->unsaved,
                              .size = size};
        console_ring_copy(console, console->unsaved, save->data, size);
        return save;
}

/* Lets a worker bring the files up to the ring, if none does so. Any failure leaves the rest
 * unsaved, to be tried again with the next write. */
static void console_save(Console *console)
{
        ConsoleSave *save;

        if (console->saving || !console->unsaved || console->removed)
                return;
        save = console_save_new(console);
        if (!save)
                return;
        save->console = console;
        console->saving = save;
        disk_queue_add(console->queue, &save->job, on_save, on_saved);
}

static void console_note_loss(Console *console)
{
        if (console->lost || console->removed)
                return;
        console->lost = true;
        log_warning("consoles/%s.log lacks some of the guest's output: the disk is %s",
                    console->name, console->failed ? "full or has failed" : "too slow");
}

/* first: the offset up to which the files have the stream, or will have it. What lies between that
 * and the ring is lost to them. */
static void console_check_loss(Console *console, uint64_t first)
{
        uint64_t kept = console->end - console->used;

        if (MAX(first, console->cleared_at) >= kept)
                return;
        console_note_loss(console);
        console_times_forget(&console->times, kept);
}

static void on_saved(DiskJob *job)
{
        ConsoleSave *save = container_of(job, ConsoleSave, job);
        Console *console = save->console;

        if (console) {
                console->saving = NULL;
                console->failed = save->r < 0;
                console->unsaved = (size_t)MIN(console->unsaved, console->end - save->end);
                console_check_loss(console, save->end);
                if (!console->unsaved && console->capacity > CONSOLE_RING)
                        console_ring_resize(console, CONSOLE_RING);
        }
        if (console && !console->failed)
                console_save(console);
        console_save_free(save);
}

/* The saves that come after the one that is under way. */
static void on_last_saved(DiskJob *job)
{
        console_save_free(container_of(job, ConsoleSave, job));
}

/* Leaves all that is unsaved to the queue; what a worker has is in the first of them, too. */
static void console_save_last(Console *console)
{
        if (console->saving)
                console->saving->console = NULL;
        while (console->unsaved && !console->removed) {
                ConsoleSave *save = console_save_new(console);

                if (!save)
                        return;
                console->unsaved -= save->size;
                disk_queue_add(console->queue, &save->job, on_save, on_last_saved);
        }
}

typedef struct ConsoleRemoval {
        DiskJob job;
        ConsoleFiles *files; /* a reference */
        bool final;
} ConsoleRemoval;

static void on_remove(DiskJob *job)
{
        const ConsoleRemoval *removal = container_of(job, ConsoleRemoval, job);

        (void)console_files_remove(removal->files, removal->final);
}

static void on_removed(DiskJob *job)
{
        ConsoleRemoval *removal = container_of(job, ConsoleRemoval, job);

        console_files_unref(removal->files);
        free(removal);
}

static int console_remove_files(Console *console, bool final)
{
        ConsoleRemoval *removal = calloc(1, sizeof(*removal));

        if (!removal)
                return -ENOMEM;
        removal->files = console_files_ref(console->files);
        removal->final = final;
        console_files_hide(console->files);
        disk_queue_add(console->queue, &removal->job, on_remove, on_removed);
        return 0;
}

int console_clear(Console *console)
{
        console->unsaved = console->used = 0;
        console->cleared_at = console->end;
        console_times_clear(&console->times);
        return console_remove_files(console, false);
}

int console_remove(Console *console)
{
        console->removed = true;
        console->unsaved = 0;
        if (console->capacity > CONSOLE_RING)
                console_ring_resize(console, CONSOLE_RING);
        if (console->saving && disk_queue_cancel(console->queue, &console->saving->job)) {
                console_save_free(console->saving);
                console->saving = NULL;
        }
        return console_remove_files(console, true);
}

size_t console_unsaved(const Console *console)
{
        return console->removed ? 0 : console->unsaved;
}

Console *console_free(Console *console)
{
        if (!console)
                return NULL;
        console_save_last(console);
        list_clear(&console->followers);
        backlog_free(console->backlog);
        console_times_done(&console->times);
        console_files_unref(console->files);
        console_charge_set(&console->charge, 0);
        free(console->name);
        free(console->ring);
        free(console);
        return NULL;
}

/* The capacity that the ring may have at most: CONSOLE_RING if no worker will empty it, else
 * CONSOLE_QUEUE, or less if its user has not so much left. */
static size_t console_ring_max(const Console *console)
{
        const ConsoleCharge *charge = &console->charge;
        size_t max = CONSOLE_RING;
        uint64_t used;

        if (console->failed || console->removed)
                return max;
        if (!charge->ledger)
                return CONSOLE_QUEUE;
        used = ledger_used(charge->ledger, charge->uid) - charge->bytes;
        while (max < CONSOLE_QUEUE && used + 2 * max - CONSOLE_RING <= CONSOLE_QUEUES)
                max *= 2;
        return MAX(max, console->capacity); /* what it has already it keeps until it is saved */
}

/* Makes place for `size` more bytes: up to CONSOLE_RING in all, and up to what it may have while a
 * worker is behind. */
static void console_ring_grow(Console *console, size_t size)
{
        size_t last = MIN(console->used + size, CONSOLE_RING);
        size_t queued = MIN(console->unsaved + size, console_ring_max(console));
        size_t wanted = console->capacity ?: RING_FIRST;

        while (wanted < MAX(last, queued))
                wanted *= 2;
        if (wanted > console->capacity)
                console_ring_resize(console, wanted);
}

/* The offset from which on neither the files nor a worker have the stream. */
static uint64_t console_unqueued(const Console *console)
{
        uint64_t first = console->end - console->unsaved;

        return console->saving ? MAX(first, console->saving->from + console->saving->size) : first;
}

/* size is at most the capacity. */
static void console_ring_add(Console *console, const char *data, size_t size)
{
        size_t free_bytes = console->capacity - console->used;
        size_t over = size > free_bytes ? size - free_bytes : 0;
        uint64_t unqueued = console_unqueued(console);
        size_t at, n;

        console->start = (console->start + over) % console->capacity;
        console->used -= over;
        at = (console->start + console->used) % console->capacity;
        n = MIN(size, console->capacity - at);
        memcpy(console->ring + at, data, n);
        memcpy(console->ring, data + n, size - n);
        console->used += size;
        console->unsaved += size;
        console->end += size;
        console->unsaved = MIN(console->unsaved, console->used);
        console_check_loss(console, unqueued);
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

/* How long the guest should wait, in milliseconds: the longer the less place there is, so that a
 * disk that is a little slower than the guest loses nothing, and one that does not answer stops no
 * guest. */
static unsigned console_pause(const Console *console)
{
        size_t queued = console->unsaved, max = console_ring_max(console);

        if (console->failed || console->removed || queued <= max / 2)
                return 0;
        return 1u << (MIN(queued, max) - max / 2) / (max / 16);
}

unsigned console_write(Console *console, const void *data, size_t size)
{
        ConsoleFollower *follower;
        const char *p = data;
        size_t left = size;
        unsigned pause;

        console_ring_grow(console, size);
        if (console->capacity) /* else it is lost */
                console_times_add(&console->times, size);
        while (left && console->capacity) {
                size_t n = MIN(left, console->capacity);

                console_ring_add(console, p, n);
                console_save(console); /* it fails if the disk does; the ring has the bytes */
                p += n;
                left -= n;
        }
        pause = console_pause(console);
        if (!console->backlog)
                return pause;
        backlog_add(console->backlog, data, size);
        list_foreach (follower, &console->followers, item)
                follower->more(follower->userdata);
        return pause;
}

struct ConsoleSnapshot {
        ConsoleFiles *files; /* a reference */
        ConsoleCharge charge;
        uint64_t end; /* how many bytes were written */
        size_t used;
        ConsoleTimes times;
        char ring[]; /* the last bytes written, in order */
};

ConsoleSnapshot *console_snapshot_free(ConsoleSnapshot *snapshot)
{
        if (!snapshot)
                return NULL;
        console_files_unref(snapshot->files);
        console_charge_set(&snapshot->charge, 0);
        console_times_done(&snapshot->times);
        free(snapshot);
        return NULL;
}

ConsoleSnapshot *console_snapshot(const Console *console)
{
        size_t used = MAX(console->unsaved, MIN(console->used, CONSOLE_RING));
        ConsoleSnapshot *snapshot = malloc(sizeof(*snapshot) + used);

        if (!snapshot)
                return NULL;
        if (console_times_copy(&console->times, &snapshot->times) < 0) {
                free(snapshot);
                return NULL;
        }
        snapshot->files = console_files_ref(console->files);
        snapshot->end = console->end;
        snapshot->used = used;
        snapshot->charge =
                console_charge_new(&console->charge, MAX(used, CONSOLE_RING) - CONSOLE_RING);
        console_ring_copy(console, used, snapshot->ring, used);
        return snapshot;
}

const ConsoleTimes *console_snapshot_times(const ConsoleSnapshot *snapshot)
{
        return &snapshot->times;
}

int console_snapshot_tail(const ConsoleSnapshot *snapshot, uint64_t lines, int64_t since,
                          size_t max, char **ret, size_t *ret_size)
{
        uint64_t all = console_files_max(snapshot->files) + snapshot->used;
        ConsoleTail tail = {.lines = lines, .limited = lines > 0};
        int r = -ENOMEM;

        if (since)
                all = MIN(all, console_times_since(&snapshot->times, since));
        tail.size = tail.start = (size_t)MIN(all, max);
        tail.done = tail.size == 0;
        tail.data = malloc(tail.size + 1);
        if (tail.data)
                r = console_files_read(snapshot->files, snapshot->end, snapshot->ring,
                                       snapshot->used, &tail);
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

        return snapshot ? console_snapshot_tail(snapshot, lines, 0, max, ret, ret_size) : -ENOMEM;
}
