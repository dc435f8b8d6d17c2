/* SPDX-License-Identifier: Apache-2.0 */
#include "local/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <systemd/sd-journal.h>

#include "base/text.h"

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

static void add_field(struct iovec *fields, int *n, char *text)
{
        if (text)
                fields[(*n)++] = (struct iovec){text, strlen(text)};
}

static void log_to_journal(LogLevel level, const LogSubject *subject, const char *text)
{
        _cleanup_free_ char *message =
                text_format("MESSAGE=%s%s%s", subject->name ?: "", subject->name ? ": " : "", text);
        _cleanup_free_ char *priority = text_format("PRIORITY=%d", (int)level);
        _cleanup_free_ char *name = text_format("CVM_NAME=%s", subject->name ?: "");
        _cleanup_free_ char *id = text_format("CVM_ID=%s", subject->id ?: "");
        _cleanup_free_ char *message_id =
                subject->message_id ? text_format("MESSAGE_ID=%s", subject->message_id) : NULL;
        char identifier[] = "SYSLOG_IDENTIFIER=cvmd";
        struct iovec fields[6 + LOG_FIELDS_MAX];
        int n = 0;

        add_field(fields, &n, message);
        add_field(fields, &n, priority);
        add_field(fields, &n, identifier);
        add_field(fields, &n, name);
        add_field(fields, &n, id);
        add_field(fields, &n, message_id);
        for (size_t i = 0; subject->fields[i]; i++)
                fields[n++] = (struct iovec){(void *)(uintptr_t)subject->fields[i],
                                             strlen(subject->fields[i])};
        sd_journal_sendv(fields, n);
}

_printf_(3, 0) static void log_text(LogLevel level, const LogSubject *subject, const char *format,
                                    va_list ap)
{
        _cleanup_free_ char *raw = NULL, *text = NULL;

        if (level > sink.level)
                return;
        raw = text_format_v(format, ap);
        text = raw ? text_escape_control(raw) : NULL;
        if (!text)
                return;
        if (sink.journal)
                log_to_journal(level, subject, text);
        else
                fprintf(stderr, "cvmd: %s: %s%s%s\n", level_name(level), subject->name ?: "",
                        subject->name ? ": " : "", text);
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
