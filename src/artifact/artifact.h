/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Artifacts: the bytes that a CVM boots from (kernel, initramfs, firmware, IGVM), each one sealed
 * memfd whose digests are those of exactly the bytes that QEMU will read. Equal bytes are one
 * Artifact, shared by all CVMs through a reference count.
 *
 * The store and reference counts are used from one thread. What takes time may run in a worker
 * thread, for it touches neither: artifact_load() (reading, copying, hashing of a foreign file) and
 * artifact_prepare() (the same of an embedded one).
 */

#include <json-c/json.h>
#include <pthread.h>
#include <sys/types.h>

#include "base/error.h"
#include "base/hash_pair.h"
#include "spec/spec.h"

#define ARTIFACT_SIZE_MAX (2ull << 30)           /* bytes of one file */
#define ARTIFACT_FIRMWARE_SIZE_MAX (16ull << 20) /* of firmware */
#define ARTIFACT_HEAD_SIZE 4096                  /* what artifact_check_kind() looks at, at most */

/* An embedded file: symbols made by the build, digests computed at build time. */
typedef struct EmbeddedArtifact {
        const char *name; /* "kernel", "initramfs-debug", … */
        SpecArtifactKind kind;
        const uint8_t *start, *end; /* both on page boundaries of their own */
        HashPairDigest digest;
} EmbeddedArtifact;

typedef struct ArtifactStore ArtifactStore;

typedef struct Artifact {
        unsigned n_ref;
        SpecArtifactKind kind;
        char *name;                       /* its name of its own, or the file's base name or "fd" */
        const EmbeddedArtifact *embedded; /* NULL: the bytes were a file's */
        bool installed;                   /* the file's that is installed under `name` */
        int fd; /* sealed memfd, owned; -1: embedded and not prepared yet, or private */
        pthread_mutex_t prepare_lock; /* guards fd of an embedded one until it is prepared */
        uint64_t size;
        HashPairDigest digest;
        ArtifactStore *store; /* NULL: in none, or it is gone */
} Artifact;

/* `embedded` (ended by {}) must outlive the store. */
int artifact_store_new(const EmbeddedArtifact *embedded, ArtifactStore **ret);
ArtifactStore *artifact_store_free(ArtifactStore *store);
DEFINE_CLEANUP(ArtifactStore *, artifact_store_free)

/* Loads the files `kernel`, `initramfs`, `initramfs-debug`, `igvm`, `firmware-tdx` and
 * `firmware-sev` of a directory, each under its name, unless an embedded artifact has that name. To
 * be called before any artifact_store_add(). The directory is trusted; one that does not exist has
 * no files. A file that cannot be used is left out; `on_fault` is called with the reason. Returns
 * 0, or a negative errno if the directory cannot be opened or memory is short. */
int artifact_store_install(ArtifactStore *store, const char *directory,
                           void (*on_fault)(const CvmError *error));

/* Whether the store itself keeps the artifact, under its name: it is embedded or installed. */
bool artifact_is_own(const Artifact *artifact);

/* A reference to an artifact of the store's own, to be prepared before its fd is used. The names
 * that those for confidential platforms once had stand for the one kernel and initramfs of all
 * platforms. ArtifactInvalid if there is none of that name and kind (the reason lists those there
 * are). */
int artifact_store_find_own(ArtifactStore *store, SpecArtifactKind kind, const char *name,
                            Artifact **ret, CvmError *error);
/* Makes fd usable: on an embedded artifact's first use its bytes are copied to a sealed memfd and
 * their form and digest are checked against the build's; else it does nothing. Thread-safe. */
int artifact_prepare(Artifact *artifact, CvmError *error);
/* ArtifactInvalid naming both digests if the artifact's is not the pinned one. */
int artifact_check_pin(const Artifact *artifact, const uint8_t sha256[static SHA256_SIZE],
                       CvmError *error);
/* The same of an artifact that an image's manifest names. */
int artifact_check_listed(const Artifact *artifact, const uint8_t sha256[static SHA256_SIZE],
                          CvmError *error);
/* Adds a loaded artifact, or returns the one with equal kind and digest and frees `loaded`; a
 * reference either way. NULL without memory, `loaded` is then freed. */
Artifact *artifact_store_add(ArtifactStore *store, Artifact *loaded);
Artifact *artifact_ref(Artifact *artifact);
Artifact *artifact_unref(Artifact *artifact);
DEFINE_CLEANUP(Artifact *, artifact_unref)
/* As the type Artifact of the interface: the store's own ones and the files in use. */
json_object *artifact_store_to_json(const ArtifactStore *store);

/* Copies a regular file (fd is borrowed, read from its start by pread) into a sealed memfd while
 * hashing. ArtifactInvalid: not a regular file, empty, over ARTIFACT_SIZE_MAX, changed while it was
 * read, not of its kind (artifact_check_kind), or not of the pinned digest (NULL: none). */
int artifact_load(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                  Artifact **ret, CvmError *error);

/* Asked once it is known how many bytes are to be copied, before any is; what it refuses with is
 * the error. */
typedef struct ArtifactReserve {
        int (*reserve)(void *userdata, uint64_t size, CvmError *error);
        void *userdata;
} ArtifactReserve;

int artifact_load_reserved(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                           const ArtifactReserve *reserve, Artifact **ret, CvmError *error);

/* As artifact_load(), but fd is a memfd that this process has made and sealed: the artifact has the
 * same one, and nothing is copied. */
int artifact_adopt(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                   Artifact **ret, CvmError *error);

/* As artifact_load(), but into memory of this process alone, which is cheaper: fd stays -1. The
 * caller unmaps *ret_map, of the artifact's size. */
int artifact_load_private(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                          Artifact **ret, void **ret_map, CvmError *error);

/* Cheap checks of form: a bzImage's header (Linux boot protocol) and length, an initramfs's magic
 * (cpio, or what Linux unpacks), an IGVM's fixed header, firmware's size. `size` is the whole
 * file's, of which `data` holds the first ARTIFACT_HEAD_SIZE bytes (or all, if it is shorter).
 * Returns NULL if it looks right, else the reason (static). */
const char *artifact_check_kind(SpecArtifactKind kind, const uint8_t *data, uint64_t size);
