/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Artifacts: the bytes that a CVM boots from (kernel, initramfs, firmware, IGVM), each one sealed
 * memfd whose digests are those of exactly the bytes that QEMU will read. Equal bytes are one
 * Artifact, shared by all CVMs through a reference count.
 *
 * The store is used from one thread. artifact_load() alone (reading, copying, hashing of a foreign
 * file) may run in a worker thread: it touches no store.
 */

#include <json-c/json.h>
#include <sys/types.h>

#include "base/digest.h"
#include "base/error.h"
#include "spec/spec.h"

#define ARTIFACT_SIZE_MAX (2ull << 30) /* bytes of one file */

typedef struct Artifact {
        unsigned n_ref;
        SpecArtifactKind kind;
        char *name;       /* embedded name, or the file's base name or "fd" */
        bool embedded;
        int fd;           /* sealed memfd, owned; -1 for an embedded one not used yet */
        uint64_t size;
        DigestPair digest;
        struct ArtifactStore *store; /* NULL once removed from it */
} Artifact;

typedef struct ArtifactStore ArtifactStore;

/* An embedded file: symbols made by the build, digests computed at build time. */
typedef struct EmbeddedArtifact {
        const char *name; /* "kernel", "initramfs-confidential", … */
        SpecArtifactKind kind;
        const uint8_t *start, *end;
        DigestPair digest;
} EmbeddedArtifact;

/* `embedded` (ended by {}) must outlive the store. */
int artifact_store_new(const EmbeddedArtifact *embedded, ArtifactStore **ret);
ArtifactStore *artifact_store_free(ArtifactStore *store);
DEFINE_CLEANUP(ArtifactStore *, artifact_store_free)

/* A reference to an embedded artifact; on first use its bytes are copied to a sealed memfd and their
 * digest is checked against the build's. ArtifactInvalid if there is none of that name and kind (the
 * reason lists those there are). */
int artifact_store_get_embedded(ArtifactStore *store, SpecArtifactKind kind, const char *name,
                                Artifact **ret, CvmError *error);
/* Adds a loaded artifact, or returns the one with equal kind and digest and frees `loaded`. */
Artifact *artifact_store_add(ArtifactStore *store, Artifact *loaded);
Artifact *artifact_ref(Artifact *artifact);
Artifact *artifact_unref(Artifact *artifact);
DEFINE_CLEANUP(Artifact *, artifact_unref)
/* As the type Artifact of the interface: all embedded ones and the files in use. */
json_object *artifact_store_to_json(const ArtifactStore *store);

/* Copies a regular file (fd is borrowed, read from its start by pread) into a sealed memfd while
 * hashing. ArtifactInvalid: not a regular file, empty, over ARTIFACT_SIZE_MAX, changed while it was
 * read, not of its kind (artifact_check_kind), or not of the pinned digest (NULL: none). */
int artifact_load(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                  Artifact **ret, CvmError *error);

/* Cheap checks of form on the mapped bytes: a bzImage's header (Linux boot protocol), an initramfs's
 * gzip, xz, zstd, lz4 or cpio magic, an IGVM's magic, firmware of a whole number of 4 KiB pages.
 * Returns NULL if it looks right, else the reason (static). */
const char *artifact_check_kind(SpecArtifactKind kind, const uint8_t *data, size_t size);
