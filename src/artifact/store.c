/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/artifact.h"

#include <string.h>

#include "artifact/artifact_internal.h"
#include "base/json.h"
#include "base/text.h"

/* The store's own ones stand first, embedded before installed, and each has a reference of the
 * store for its life; other files are borrowed: the last unref takes them out. */
struct ArtifactStore {
        Artifact **items;
        size_t n, allocated, n_own;
};

Artifact *artifact_new(SpecArtifactKind kind, const char *name, uint64_t size)
{
        Artifact *artifact = calloc(1, sizeof(*artifact));

        if (!artifact)
                return NULL;
        artifact->n_ref = 1;
        artifact->kind = kind;
        artifact->fd = -1;
        artifact->size = size;
        pthread_mutex_init(&artifact->prepare_lock, NULL); /* cannot fail without attributes */
        artifact->name = strdup(name);
        return artifact->name ? artifact : artifact_unref(artifact);
}

Artifact *artifact_ref(Artifact *artifact)
{
        artifact->n_ref++;
        return artifact;
}

static void store_forget(ArtifactStore *store, const Artifact *artifact)
{
        for (size_t i = 0; i < store->n; i++)
                if (store->items[i] == artifact) {
                        store->n--;
                        memmove(store->items + i, store->items + i + 1,
                                (store->n - i) * sizeof(*store->items));
                        return;
                }
}

Artifact *artifact_unref(Artifact *artifact)
{
        if (!artifact || --artifact->n_ref > 0)
                return NULL;
        if (artifact->store)
                store_forget(artifact->store, artifact);
        closep(&artifact->fd);
        pthread_mutex_destroy(&artifact->prepare_lock);
        free(artifact->name);
        free(artifact);
        return NULL;
}

/* Takes no reference. */
static int store_append(ArtifactStore *store, Artifact *artifact)
{
        if (store->n == store->allocated) {
                size_t allocated = store->allocated ? 2 * store->allocated : 16;
                Artifact **items = reallocarray(store->items, allocated, sizeof(*items));

                if (!items)
                        return -ENOMEM;
                store->items = items;
                store->allocated = allocated;
        }
        store->items[store->n++] = artifact;
        artifact->store = store;
        return 0;
}

int artifact_store_new(const EmbeddedArtifact *embedded, ArtifactStore **ret)
{
        _cleanup_(artifact_store_freep) ArtifactStore *store = calloc(1, sizeof(*store));

        if (!store)
                return -ENOMEM;
        for (; embedded->name; embedded++) {
                _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
                int r;

                artifact = artifact_new(embedded->kind, embedded->name,
                                        (uint64_t)(embedded->end - embedded->start));
                if (!artifact)
                        return -ENOMEM;
                artifact->embedded = embedded;
                artifact->digest = embedded->digest;
                r = artifact_store_append_own(store, artifact);
                if (r < 0)
                        return r;
                TAKE_PTR(artifact); /* the store's */
        }
        *ret = TAKE_PTR(store);
        return 0;
}

bool artifact_is_own(const Artifact *artifact)
{
        return artifact->embedded || artifact->installed;
}

bool artifact_store_has_own(const ArtifactStore *store, const char *name)
{
        for (size_t i = 0; i < store->n_own; i++)
                if (strcmp(store->items[i]->name, name) == 0)
                        return true;
        return false;
}

int artifact_store_append_own(ArtifactStore *store, Artifact *artifact)
{
        int r = store_append(store, artifact);

        if (r < 0)
                return r;
        store->n_own++;
        return 0;
}

ArtifactStore *artifact_store_free(ArtifactStore *store)
{
        if (!store)
                return NULL;
        for (size_t i = 0; i < store->n; i++)
                store->items[i]->store = NULL;
        for (size_t i = 0; i < store->n_own; i++)
                artifact_unref(store->items[i]);
        free(store->items);
        free(store);
        return NULL;
}

static int refuse_name(const ArtifactStore *store, SpecArtifactKind kind, const char *name,
                       CvmError *error)
{
        _cleanup_(buffer_done) Buffer there = {};

        for (size_t i = 0; i < store->n_own; i++)
                if (store->items[i]->kind == kind &&
                    buffer_appendf(&there, "%s%s", there.size ? ", " : "", store->items[i]->name) <
                            0)
                        return cvm_error_system(error, -ENOMEM, "find artifact '%s'", name);
        return cvm_error_artifact(error, name,
                                  "no embedded or installed %s of that name; available: %s",
                                  spec_artifact_kind_name(kind), there.data ?: "none");
}

/* Release 0.1 had artifacts of their own for confidential platforms. */
static const char *present_name(const char *name)
{
        static const struct {
                const char *former, *present;
        } names[] = {
                {"kernel-confidential", "kernel"},
                {"initramfs-confidential", "initramfs"},
                {"initramfs-confidential-debug", "initramfs-debug"},
        };

        for (size_t i = 0; i < ARRAY_SIZE(names); i++)
                if (strcmp(name, names[i].former) == 0)
                        return names[i].present;
        return name;
}

int artifact_store_find_own(ArtifactStore *store, SpecArtifactKind kind, const char *name,
                            Artifact **ret, CvmError *error)
{
        name = present_name(name);
        for (size_t i = 0; i < store->n_own; i++)
                if (store->items[i]->kind == kind && strcmp(store->items[i]->name, name) == 0) {
                        *ret = artifact_ref(store->items[i]);
                        return 0;
                }
        return refuse_name(store, kind, name, error);
}

/* Whether `artifact`'s descriptor can stand for `loaded`'s, equal in content. An embedded one that
 * was not used yet is given that descriptor; one that a worker is preparing is not waited for. */
static bool store_take_over(Artifact *artifact, Artifact *loaded)
{
        if (!artifact->embedded)
                return true;
        if (pthread_mutex_trylock(&artifact->prepare_lock) != 0)
                return false;
        if (artifact->fd < 0)
                artifact->fd = TAKE_FD(loaded->fd);
        pthread_mutex_unlock(&artifact->prepare_lock);
        return true;
}

Artifact *artifact_store_add(ArtifactStore *store, Artifact *loaded)
{
        _cleanup_(artifact_unrefp) Artifact *held = loaded;

        for (size_t i = 0; i < store->n; i++) {
                Artifact *artifact = store->items[i];

                if (artifact->kind == loaded->kind && artifact->size == loaded->size &&
                    memcmp(&artifact->digest, &loaded->digest, sizeof(HashPairDigest)) == 0 &&
                    store_take_over(artifact, loaded))
                        return artifact_ref(artifact);
        }
        if (store_append(store, held) < 0)
                return NULL;
        return TAKE_PTR(held);
}

static int add_to_json(json_object *list, const Artifact *artifact)
{
        _cleanup_free_ char *sha256 = text_hex(artifact->digest.sha256, SHA256_SIZE);
        _cleanup_free_ char *sha384 = text_hex(artifact->digest.sha384, SHA384_SIZE);
        unsigned users =
                artifact->n_ref - (artifact_is_own(artifact) ? 1 : 0); /* the store is none */
        json_object *object;

        if (!sha256 || !sha384)
                return -ENOMEM;
        object = json_build("name", json_new_text(artifact->name), "kind",
                            json_new_text(spec_artifact_kind_name(artifact->kind)), "size",
                            json_object_new_int64((int64_t)artifact->size), "sha256",
                            json_new_text(sha256), "sha384", json_new_text(sha384), "origin",
                            json_new_text(artifact->embedded    ? "embedded"
                                          : artifact->installed ? "installed"
                                                                : "file"),
                            "users", json_object_new_int64(users), NULL);
        if (!object)
                return -ENOMEM;
        if (json_object_array_add(list, object) < 0) {
                json_object_put(object);
                return -ENOMEM;
        }
        return 0;
}

json_object *artifact_store_to_json(const ArtifactStore *store)
{
        _cleanup_json_ json_object *list = json_object_new_array();

        for (size_t i = 0; list && i < store->n; i++)
                if (add_to_json(list, store->items[i]) < 0)
                        return NULL;
        return TAKE_PTR(list);
}
