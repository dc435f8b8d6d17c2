/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

/* One write is one record, and a record begins with its priority
 * (Documentation/ABI/testing/dev-kmsg of the kernel), which is shown only once its line has ended.
 * Not by dprintf(): it asks for the position, which this device refuses. */
static void log_write(int priority, const char *format, va_list ap)
{
        _cleanup_close_ int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_free_ char *text = NULL, *record = NULL;
        int size;

        if (fd < 0 || vasprintf(&text, format, ap) < 0)
                return;
        size = asprintf(&record, "<%d>cvm-agent: %s\n", priority, text);
        /* Where the log itself fails there is nowhere to say so. */
        if (size > 0 && write(fd, record, (size_t)size) < 0)
                return;
}

void log_info(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_write(6, format, ap);
        va_end(ap);
}

void log_error(const char *format, ...)
{
        va_list ap;

        va_start(ap, format);
        log_write(3, format, ap);
        va_end(ap);
}
