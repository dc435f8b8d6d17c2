/* SPDX-License-Identifier: Apache-2.0 */
#include "local/log_writer.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <limits.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <string.h>
#include <sys/stat.h>
#include <systemd/sd-journal.h>
#include <time.h>

#include "base/macros.h"

struct LogMessage {
        STAILQ_ENTRY(LogMessage) entry;
        bool journal;
        size_t size; /* that is counted */
        int n;
        struct iovec strings[LOG_STRINGS_MAX];
        char text[];
};

static struct {
        pthread_mutex_t lock;
        pthread_cond_t changed;
        pthread_t thread;
        bool runs, works, ends;
        LogLost lost;
        uint64_t n_lost; /* since the last message that is queued */
        size_t size;     /* of all that are queued */
        STAILQ_HEAD(, LogMessage) queue;
} writer = {
        .lock = PTHREAD_MUTEX_INITIALIZER,
        .changed = PTHREAD_COND_INITIALIZER,
        .queue = STAILQ_HEAD_INITIALIZER(writer.queue),
};

LogMessage *log_message_new(bool journal, const char *const *strings, size_t n)
{
        LogMessage *message;
        size_t size = 0;
        char *at;

        if (n > LOG_STRINGS_MAX)
                n = LOG_STRINGS_MAX;
        for (size_t i = 0; i < n; i++)
                size += strlen(strings[i]);
        message = calloc(1, sizeof(*message) + size);
        if (!message)
                return NULL;
        message->journal = journal;
        message->size = sizeof(*message) + size;
        message->n = (int)n;
        at = message->text;
        for (size_t i = 0; i < n; i++) {
                message->strings[i] = (struct iovec){at, strlen(strings[i])};
                memcpy(at, strings[i], message->strings[i].iov_len);
                at += message->strings[i].iov_len;
        }
        return message;
}

/* Writes the line, or what is left of it. Where another process has set O_NONBLOCK, waits for room
 * up to `msec`, -1: without limit. Returns false if there was none; the message keeps the rest. A
 * log that cannot be written to has nowhere to say so. */
static bool log_line_write(LogMessage *message, int msec)
{
        struct iovec *line = &message->strings[0];
        struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};

        while (line->iov_len > 0) {
                ssize_t n = write(STDERR_FILENO, line->iov_base, line->iov_len);

                if (n < 0 && errno == EAGAIN) {
                        if (poll(&err, 1, msec) == 0)
                                return false;
                } else if (n < 0 && errno != EINTR) {
                        break;
                } else if (n > 0) {
                        line->iov_base = (char *)line->iov_base + n;
                        line->iov_len -= (size_t)n;
                }
        }
        return true;
}

/* Frees the message, unless it returns false: then there was no room for the rest of a line. */
static bool log_message_write(LogMessage *message, int msec)
{
        if (message->journal)
                sd_journal_sendv(message->strings, message->n);
        else if (!log_line_write(message, msec))
                return false;
        free(message);
        return true;
}

/* With the lock held. Queues what says how many were dropped, if some were. */
static void log_queue_lost(void)
{
        LogMessage *message = writer.n_lost ? writer.lost(writer.n_lost) : NULL;

        if (!message)
                return;
        writer.n_lost = 0;
        writer.size += message->size;
        STAILQ_INSERT_TAIL(&writer.queue, message, entry);
}

static void *log_writer_run(void *userdata)
{
        LogMessage *message;

        pthread_mutex_lock(&writer.lock);
        for (;;) {
                if (STAILQ_EMPTY(&writer.queue))
                        log_queue_lost();
                message = STAILQ_FIRST(&writer.queue);
                if (!message && writer.ends)
                        break;
                if (!message) {
                        pthread_cond_wait(&writer.changed, &writer.lock);
                        continue;
                }
                STAILQ_REMOVE_HEAD(&writer.queue, entry);
                writer.size -= message->size;
                writer.works = true;
                pthread_mutex_unlock(&writer.lock);
                (void)log_message_write(message, -1);
                pthread_mutex_lock(&writer.lock);
                writer.works = false;
        }
        pthread_mutex_unlock(&writer.lock);
        return NULL;
}

int log_writer_start(LogLost lost)
{
        sigset_t all, before;
        int r;

        writer.lost = lost;
        writer.ends = false;
        sigfillset(&all);
        pthread_sigmask(SIG_SETMASK, &all, &before);
        r = pthread_create(&writer.thread, NULL, log_writer_run, NULL);
        pthread_sigmask(SIG_SETMASK, &before, NULL);
        writer.runs = r == 0;
        return -r;
}

/* With the lock held: whether the message can be written here without waiting. A pipe that polls as
 * writable has room for PIPE_BUF bytes (pipe(7)); of a terminal that says nothing. */
static bool log_can_be_written(const LogMessage *message)
{
        struct pollfd err = {.fd = STDERR_FILENO, .events = POLLOUT};
        struct stat st;

        if (!writer.runs)
                return true;
        if (fstat(STDERR_FILENO, &st) < 0 || S_ISCHR(st.st_mode))
                return false;
        return STAILQ_EMPTY(&writer.queue) && !writer.works && !message->journal &&
               message->size <= PIPE_BUF && poll(&err, 1, 0) == 1 && err.revents == POLLOUT;
}

void log_writer_put(LogMessage *message)
{
        if (!message)
                return;
        pthread_mutex_lock(&writer.lock);
        if (log_can_be_written(message) &&
            log_message_write(message, writer.runs ? 0 : LOG_STOP_MSEC)) {
                /* done */
        } else if (!writer.runs) {
                free(message);
        } else if (writer.size + message->size > LOG_QUEUE_MAX) {
                writer.n_lost++;
                free(message);
        } else {
                log_queue_lost();
                writer.size += message->size;
                STAILQ_INSERT_TAIL(&writer.queue, message, entry);
                pthread_cond_signal(&writer.changed);
        }
        pthread_mutex_unlock(&writer.lock);
}

void log_writer_stop(void)
{
        struct timespec end;

        pthread_mutex_lock(&writer.lock);
        writer.ends = true;
        pthread_cond_signal(&writer.changed);
        pthread_mutex_unlock(&writer.lock);
        if (!writer.runs)
                return;
        clock_gettime(CLOCK_MONOTONIC, &end);
        end.tv_sec += LOG_STOP_MSEC / 1000;
        if (pthread_clockjoin_np(writer.thread, NULL, CLOCK_MONOTONIC, &end) != 0)
                return; /* who is not heard: nothing more can be said */
        pthread_mutex_lock(&writer.lock);
        writer.runs = false;
        pthread_mutex_unlock(&writer.lock);
}
