/* SPDX-License-Identifier: Apache-2.0 */
#include "local/qemu_cache.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "local/log.h"

typedef struct Entry {
        char *path;
        QemuIdentity identity;
        QemuProbe *probe; /* a reference; NULL: it could not be asked */
        int64_t asked;    /* µs, by clock_monotonic_usec() */
} Entry;

struct QemuCache {
        pthread_mutex_t mutex; /* of all below */
        int dirfd;
        Entry *entries; /* one a configured binary: few */
        size_t n;
};

int qemu_cache_new(int dirfd, QemuCache **ret)
{
        QemuCache *cache = calloc(1, sizeof(*cache));

        if (!cache) {
                closep(&dirfd);
                return -ENOMEM;
        }
        pthread_mutex_init(&cache->mutex, NULL);
        cache->dirfd = dirfd;
        *ret = cache;
        return 0;
}

QemuCache *qemu_cache_free(QemuCache *cache)
{
        if (!cache)
                return NULL;
        for (size_t i = 0; i < cache->n; i++) {
                free(cache->entries[i].path);
                qemu_probe_unref(cache->entries[i].probe);
        }
        free(cache->entries);
        closep(&cache->dirfd);
        pthread_mutex_destroy(&cache->mutex);
        free(cache);
        return NULL;
}

static Entry *qemu_cache_find(QemuCache *cache, const char *path)
{
        Entry *grown;

        for (size_t i = 0; i < cache->n; i++)
                if (strcmp(cache->entries[i].path, path) == 0)
                        return &cache->entries[i];
        grown = reallocarray(cache->entries, cache->n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        cache->entries = grown;
        grown[cache->n] = (Entry){.path = strdup(path)};
        return grown[cache->n].path ? &grown[cache->n++] : NULL;
}

static bool is_current(const Entry *entry, const QemuIdentity *identity)
{
        return qemu_identity_equal(&entry->identity, identity) &&
               (entry->probe || (entry->asked && clock_monotonic_usec() - entry->asked <
                                                         QEMU_CACHE_RETRY_SEC * 1000000LL));
}

static void ask(QemuCache *cache, Entry *entry, const QemuIdentity *identity)
{
        _cleanup_free_ char *reason = NULL;
        int r;

        entry->probe = qemu_probe_unref(entry->probe);
        entry->identity = *identity;
        r = qemu_probe_cached(entry->path, cache->dirfd, &entry->probe, &reason);
        entry->asked = clock_monotonic_usec();
        if (r < 0)
                log_warning("cannot probe %s: %s", entry->path, reason ?: strerror(-r));
}

QemuProbe *qemu_cache_get(QemuCache *cache, const char *path)
{
        QemuProbe *probe = NULL;
        QemuIdentity identity;
        Entry *entry;

        if (qemu_identity_read(path, &identity) < 0)
                return NULL;
        pthread_mutex_lock(&cache->mutex);
        entry = qemu_cache_find(cache, path);
        if (entry && !is_current(entry, &identity))
                ask(cache, entry, &identity);
        if (entry && entry->probe)
                probe = qemu_probe_ref(entry->probe);
        pthread_mutex_unlock(&cache->mutex);
        return probe;
}

QemuProbe *qemu_cache_peek(QemuCache *cache, const char *path)
{
        QemuProbe *probe = NULL;
        QemuIdentity identity;

        if (qemu_identity_read(path, &identity) < 0 || pthread_mutex_trylock(&cache->mutex) != 0)
                return NULL;
        for (size_t i = 0; i < cache->n; i++)
                if (strcmp(cache->entries[i].path, path) == 0 && cache->entries[i].probe &&
                    is_current(&cache->entries[i], &identity))
                        probe = qemu_probe_ref(cache->entries[i].probe);
        pthread_mutex_unlock(&cache->mutex);
        return probe;
}
