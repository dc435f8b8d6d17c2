/* SPDX-License-Identifier: Apache-2.0 */
#include "lack.h"

#include <stdarg.h>
#include <stdio.h>

int lack_set(Lack *lack, int r, const char *reason, const char *format, ...)
{
        va_list ap;

        lack->reason = reason;
        va_start(ap, format);
        vsnprintf(lack->message, sizeof(lack->message), format, ap);
        va_end(ap);
        return r;
}
