/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The daemon's log: one line a message, to the journal with structured fields (CVM_NAME=, CVM_ID=)
 * where stderr is connected to it (JOURNAL_STREAM, systemd.exec(5)), else to stderr with its level.
 * Nothing secret is ever logged. The level is the one piece of global state, set once at the start.
 */

#include <syslog.h>

#include "base/error.h"

typedef enum LogLevel {
        LOG_LEVEL_ERROR = LOG_ERR,
        LOG_LEVEL_WARNING = LOG_WARNING,
        LOG_LEVEL_INFO = LOG_INFO,
        LOG_LEVEL_DEBUG = LOG_DEBUG,
} LogLevel;

/* "error", "warning", "info" or "debug". Returns 0 or -EINVAL. */
int log_parse_level(const char *text, LogLevel *ret);
void log_init(LogLevel level);
/* From now on a thread writes what is logged, so that no other waits for the log (log_writer.h): so
 * far each message is written at once. Returns 0 or -errno. */
int log_start(void);
/* Waits a second until all is written. */
void log_stop(void);

/* What programs find messages in the journal by (MESSAGE_ID=, systemd.journal-fields(7)); cvmd(8)
 * names them. */
#define LOG_MESSAGE_CALL "bd55f679474d4877956bb0f71878d0d7"  /* of a method that changes a CVM */
#define LOG_MESSAGE_STATE "16ec4d49850c428bb5b4d699e7781d11" /* a CVM's has changed */
#define LOG_MESSAGE_READY "5881a12990b748348d2a352b2cc97108" /* a guest has reported READY */

#define LOG_FIELDS_MAX 4u

/* What a message is about, besides its text; all borrowed, NULL: none. */
typedef struct LogSubject {
        const char *name, *id; /* of the CVM */
        const char *message_id;
        const char *fields[LOG_FIELDS_MAX + 1]; /* "CVM_STATE=running", ended by NULL */
} LogSubject;

void log_about(LogLevel level, const LogSubject *subject, const char *format, ...) _printf_(3, 4);
/* name and id of the CVM that it is about, or NULL. Control characters are escaped. */
void log_emit(LogLevel level, const char *name, const char *id, const char *format, ...)
        _printf_(4, 5);
/* The same with the sentence of a CvmError behind what was tried. */
void log_failure(LogLevel level, const char *name, const char *id, const char *what,
                 const CvmError *error);

#define log_error(...) log_emit(LOG_LEVEL_ERROR, NULL, NULL, __VA_ARGS__)
#define log_warning(...) log_emit(LOG_LEVEL_WARNING, NULL, NULL, __VA_ARGS__)
#define log_info(...) log_emit(LOG_LEVEL_INFO, NULL, NULL, __VA_ARGS__)
#define log_debug(...) log_emit(LOG_LEVEL_DEBUG, NULL, NULL, __VA_ARGS__)
