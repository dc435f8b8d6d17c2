/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What is logged, on its way to the journal or to stderr: both block while their reader, journald
 * for example, does not keep up. So a thread writes them, from a queue of LOG_QUEUE_MAX bytes; only
 * a line for which stderr, not being a terminal, has room, and behind which nothing waits, is
 * written at once.
 * Messages that find no room are dropped and counted, and the count is logged where they would have
 * been. Thread-safe.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/uio.h>

#define LOG_QUEUE_MAX (1u << 20) /* bytes */
#define LOG_STRINGS_MAX 12u      /* of one message */
#define LOG_STOP_MSEC 1000

/* Strings: the fields of an entry of the journal, or one line with its newline for stderr. */
typedef struct LogMessage LogMessage;

/* Copies the strings. NULL without memory. */
LogMessage *log_message_new(bool journal, const char *const *strings, size_t n);

/* The message that says that n were dropped; NULL without memory. */
typedef LogMessage *(*LogLost)(uint64_t n);

/* Starts the thread; so far messages are written at once. Returns 0 or -errno. */
int log_writer_start(LogLost lost);
/* Takes the message, or nothing if it is NULL. Never waits once the thread has started. */
void log_writer_put(LogMessage *message);
/* Waits up to LOG_STOP_MSEC until all is written, and ends the thread, unless it hangs. */
void log_writer_stop(void);
