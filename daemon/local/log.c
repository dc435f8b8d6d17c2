/* SPDX-License-Identifier: Apache-2.0 */
#include "local/log.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/text.h"
#include "local/log_writer.h"

static struct {
        LogLevel level;
        bool journal;
} sink = {.level = LOG_LEVEL_INFO};

static const struct {
        const char *name;
        LogLevel level;
} levels[] = {
        {"error", LOG_LEVEL_ERROR},
        {"warning", LOG_LEVEL_WARNING},
        {"info", LOG_LEVEL_INFO},
        {"debug", LOG_LEVEL_DEBUG},
};

int log_parse_level(const char *text, LogLevel *ret)
{
        for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
                if (strcmp(levels[i].name, text) == 0) {
                        *ret = levels[i].level;
                        return 0;
                }
        return -EINVAL;
}

/* JOURNAL_STREAM names device and inode of the stream that systemd gave us; if stderr is another
 * file by now, it was redirected to be read there. */
static bool stderr_is_journal(void)
{
        const char *stream = getenv("JOURNAL_STREAM");
        unsigned long long device, inode;
        struct stat st;

        return stream && sscanf(stream, "%llu:%llu", &device, &inode) == 2 &&
               fstat(STDERR_FILENO, &st) == 0 && st.st_dev == device && st.st_ino == inode;
}

void log_init(LogLevel level)
{
        sink.level = level;
        sink.journal = stderr_is_journal();
}

static const char *level_name(LogLevel level)
{
        for (size_t i = 0; i < ARRAY_SIZE(levels); i++)
                if (levels[i].level == level)
                        return levels[i].name;
        return "";
}

/* The strings with the fields of an entry in the journal. Returns the message or NULL. */
static LogMessage *log_new_entry(LogLevel level, const LogSubject *subject, const char *text)
{
        _cleanup_free_ char *message =
                text_format("MESSAGE=%s%s%s", subject->name ?: "", subject->name ? ": " : "", text);
        _cleanup_free_ char *priority = text_format("PRIORITY=%d", (int)level);
        _cleanup_free_ char *name = text_format("CVM_NAME=%s", subject->name ?: "");
        _cleanup_free_ char *id = text_format("CVM_ID=%s", subject->id ?: "");
        _cleanup_free_ char *message_id =
                subject->message_id ? text_format("MESSAGE_ID=%s", subject->message_id) : NULL;
        const char *const first[] = {message, priority, "SYSLOG_IDENTIFIER=cvmd",
                                     name,    id,       message_id};
        const char *fields[ARRAY_SIZE(first) + LOG_FIELDS_MAX];
        size_t n = 0;

        for (size_t i = 0; i < ARRAY_SIZE(first); i++)
                if (first[i])
                        fields[n++] = first[i];
        for (size_t i = 0; subject->fields[i]; i++)
                fields[n++] = subject->fields[i];
        return log_message_new(true, fields, n);
}

static LogMessage *log_new_line(LogLevel level, const LogSubject *subject, const char *text)
{
        _cleanup_free_ char *line =
                text_format("cvmd: %s: %s%s%s\n", level_name(level), subject->name ?: "",
                            subject->name ? ": " : "", text);
        const char *const strings[] = {line};

        return line ? log_message_new(false, strings, 1) : NULL;
}

static LogMessage *log_new_message(LogLevel level, const LogSubject *subject, const char *text)
{
        return sink.journal ? log_new_entry(level, subject, text)
                            : log_new_line(level, subject, text);
}

static LogMessage *log_new_lost(uint64_t n)
{
        _cleanup_free_ char *text = text_format(
                "%" PRIu64 " messages are missing here: the log was not read in time", n);

        return text ? log_new_message(LOG_LEVEL_WARNING, &(LogSubject){}, text) : NULL;
}

int log_start(void)
{
        return log_writer_start(log_new_lost);
}

void log_stop(void)
{
        log_writer_stop();
}

_printf_(3, 0) static void log_text(LogLevel level, const LogSubject *subject, const char *format,
                                    va_list ap)
{
        _cleanup_free_ char *raw = NULL, *text = NULL;

        if (level > sink.level)
                return;
        raw = text_format_v(format, ap);
        text = raw ? text_escape_control(raw) : NULL;
        if (text)
                log_writer_put(log_new_message(level, subject, text));
}

void log_about(LogLevel level, const LogSubject *subject, const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_text(level, subject, format, ap);
        va_end(ap);
}

void log_emit(LogLevel level, const char *name, const char *id, const char *format, ...)
{
        const LogSubject subject = {.name = name, .id = id};
        va_list ap;

        va_start(ap, format);
        log_text(level, &subject, format, ap);
        va_end(ap);
}

void log_failure(LogLevel level, const char *name, const char *id, const char *what,
                 const CvmError *error)
{
        _cleanup_free_ char *message = cvm_error_message(error);

        log_emit(level, name, id, "%s: %s", what, message ?: "out of memory");
}
