/* SPDX-License-Identifier: Apache-2.0 */
#include "local/log.h"

#define SD_JOURNAL_SUPPRESS_LOCATION
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
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
 * file by now, somebody redirected it and wants to read it there. */
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

void log_emit(LogLevel level, const char *name, const char *id, const char *format, ...)
{
        _cleanup_free_ char *raw = NULL, *text = NULL;
        va_list ap;

        if (level > sink.level)
                return;
        va_start(ap, format);
        raw = text_format_v(format, ap);
        va_end(ap);
        if (!raw)
                return;
        text = text_escape_control(raw);
        if (!text)
                return;

        if (sink.journal)
                sd_journal_send("MESSAGE=%s%s%s", name ?: "", name ? ": " : "", text, "PRIORITY=%d",
                                (int)level, "SYSLOG_IDENTIFIER=cvmd", "CVM_NAME=%s", name ?: "",
                                "CVM_ID=%s", id ?: "", NULL);
        else
                fprintf(stderr, "cvmd: %s: %s%s%s\n", level_name(level), name ?: "",
                        name ? ": " : "", text);
}

void log_failure(LogLevel level, const char *name, const char *id, const char *what,
                 const CvmError *error)
{
        _cleanup_free_ char *message = cvm_error_message(error);

        log_emit(level, name, id, "%s: %s", what, message ?: "out of memory");
}
