/* SPDX-License-Identifier: Apache-2.0 */
#include "base/backlog.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/param.h>

/* The byte at place n of the stream is at n % BACKLOG_SIZE. */
struct Backlog {
        uint64_t end;
        char data[BACKLOG_SIZE]; /* the allocator gives zero pages, which are used as they fill */
};

Backlog *backlog_new(void)
{
        Backlog *backlog = malloc(sizeof(*backlog));

        if (backlog)
                backlog->end = 0;
        return backlog;
}

Backlog *backlog_free(Backlog *backlog)
{
        free(backlog);
        return NULL;
}

void backlog_add(Backlog *backlog, const char *data, size_t size)
{
        while (size > 0) {
                size_t at = backlog->end % BACKLOG_SIZE;
                size_t n = MIN(size, BACKLOG_SIZE - at);

                memcpy(backlog->data + at, data, n);
                backlog->end += n;
                data += n;
                size -= n;
        }
}

uint64_t backlog_end(const Backlog *backlog)
{
        return backlog->end;
}

ssize_t backlog_get(const Backlog *backlog, uint64_t at, const char **ret)
{
        uint64_t unread = backlog->end - at;

        if (unread > BACKLOG_SIZE)
                return -ENODATA;
        *ret = backlog->data + at % BACKLOG_SIZE;
        return (ssize_t)MIN(unread, BACKLOG_SIZE - at % BACKLOG_SIZE);
}
