/* SPDX-License-Identifier: Apache-2.0 */
#include "log.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>

/* One write is one record, and a record begins with its priority
 * (Documentation/ABI/testing/dev-kmsg of the kernel). */
static void log_write(int priority, const char *format, va_list ap)
{
        _cleanup_close_ int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC | O_NOCTTY);
        _cleanup_free_ char *text = NULL;

        if (fd < 0 || vasprintf(&text, format, ap) < 0)
                return;
        dprintf(fd, "<%d>cvm-agent: %s\n", priority, text);
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
