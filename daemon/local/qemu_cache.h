/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What each QEMU binary can do, in memory over the files of STATE/qemu-cache. Asked by worker
 * threads: a launch whose binary is known costs one stat(2). One thread at a time asks the same
 * binary, so that many launches at once ask once; one that does not answer delays only the launches
 * that use it. A binary that could not be asked is not asked again for
 * QEMU_CACHE_RETRY_SEC, unless it has changed.
 */

#include "host/qemu_probe.h"

#define QEMU_CACHE_RETRY_SEC 60

typedef struct QemuCache QemuCache;

/* dirfd is taken; -1: nothing is kept. */
int qemu_cache_new(int dirfd, QemuCache **ret);
QemuCache *qemu_cache_free(QemuCache *cache);

/* Any thread; may block for QEMU_PROBE_MSEC. A reference, or NULL: it cannot be asked, and a launch
 * will show QEMU's own words. */
QemuProbe *qemu_cache_get(QemuCache *cache, const char *path);
/* Never blocks: a reference, or NULL where the answer is not known yet. */
QemuProbe *qemu_cache_peek(QemuCache *cache, const char *path);
