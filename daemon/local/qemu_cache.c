/* SPDX-License-Identifier: Apache-2.0 */
#include "local/qemu_cache.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "local/log.h"

typedef struct Entry {
        char *path; /* constant */
        bool asks;  /* a thread asks it, without the lock */
        QemuIdentity identity;
        QemuProbe *probe; /* a reference; NULL: it could not be asked */
        int64_t asked;    /* µs, by clock_monotonic_usec() */
} Entry;

struct QemuCache {
        pthread_mutex_t mutex; /* of all below; not locked while a QEMU is asked */
        pthread_cond_t answered;
        int dirfd;
        Entry **entries; /* one a configured binary: few */
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
        pthread_cond_init(&cache->answered, NULL);
        cache->dirfd = dirfd;
        *ret = cache;
        return 0;
}

QemuCache *qemu_cache_free(QemuCache *cache)
{
        if (!cache)
                return NULL;
        for (size_t i = 0; i < cache->n; i++) {
                free(cache->entries[i]->path);
                qemu_probe_unref(cache->entries[i]->probe);
                free(cache->entries[i]);
        }
        free(cache->entries);
        closep(&cache->dirfd);
        pthread_cond_destroy(&cache->answered);
        pthread_mutex_destroy(&cache->mutex);
        free(cache);
        return NULL;
}

static Entry *qemu_cache_find(QemuCache *cache, const char *path)
{
        Entry **grown, *entry;

        for (size_t i = 0; i < cache->n; i++)
                if (strcmp(cache->entries[i]->path, path) == 0)
                        return cache->entries[i];
        grown = reallocarray(cache->entries, cache->n + 1, sizeof(*grown));
        if (!grown)
                return NULL;
        cache->entries = grown;
        entry = calloc(1, sizeof(*entry));
        if (!entry || !(entry->path = strdup(path))) {
                free(entry);
                return NULL;
        }
        return grown[cache->n++] = entry;
}

static bool is_current(const Entry *entry, const QemuIdentity *identity)
{
        return qemu_identity_equal(&entry->identity, identity) &&
               (entry->probe || (entry->asked && clock_monotonic_usec() - entry->asked <
                                                         QEMU_CACHE_RETRY_SEC * 1000000LL));
}

/* With the lock held, which is released meanwhile: a QEMU that does not answer delays only the
 * threads that ask about the same binary. */
static void ask(QemuCache *cache, Entry *entry, const QemuIdentity *identity)
{
        _cleanup_free_ char *reason = NULL;
        QemuProbe *probe = NULL;
        int r;

        entry->asks = true;
        pthread_mutex_unlock(&cache->mutex);
        r = qemu_probe_cached(entry->path, cache->dirfd, &probe, &reason);
        if (r < 0)
                log_warning("cannot probe %s: %s", entry->path, reason ?: strerror(-r));
        pthread_mutex_lock(&cache->mutex);
        qemu_probe_unref(entry->probe);
        entry->probe = r < 0 ? NULL : probe;
        entry->identity = *identity;
        entry->asked = clock_monotonic_usec();
        entry->asks = false;
        pthread_cond_broadcast(&cache->answered);
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
        while (entry && entry->asks)
                pthread_cond_wait(&cache->answered, &cache->mutex);
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

        if (qemu_identity_read(path, &identity) < 0)
                return NULL;
        pthread_mutex_lock(&cache->mutex);
        for (size_t i = 0; i < cache->n; i++)
                if (strcmp(cache->entries[i]->path, path) == 0 && cache->entries[i]->probe &&
                    is_current(cache->entries[i], &identity))
                        probe = qemu_probe_ref(cache->entries[i]->probe);
        pthread_mutex_unlock(&cache->mutex);
        return probe;
}
