/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The last BACKLOG_SIZE bytes of a stream, kept once for all who read it, each at its own place.
 * Whoever falls further behind loses its place. A reader that does not read costs nothing: it has
 * no bytes of its own, and is copied none.
 */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "base/macros.h"

#define BACKLOG_SIZE (1u << 20)

typedef struct Backlog Backlog;

Backlog *backlog_new(void); /* NULL without memory */
Backlog *backlog_free(Backlog *backlog);
void backlog_add(Backlog *backlog, const char *data, size_t size);
/* The place of the byte that is added next. */
uint64_t backlog_end(const Backlog *backlog);
/* The next piece from a place on, borrowed until more is added. Returns its size, 0 if nothing has
 * been added since, or -ENODATA if its beginning is not kept any more. */
ssize_t backlog_get(const Backlog *backlog, uint64_t at, const char **ret);
