/* SPDX-License-Identifier: Apache-2.0 */
#include "artifact/artifact.h"

#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>

#include "artifact/artifact_internal.h"
#include "base/fd.h"
#include "base/memfd.h"
#include "base/text.h"

/* Bytes copied and hashed at a time: all that is held besides the memfd. */
#define CHUNK (1u << 20)

/* A copy in progress: bytes in order, each written and hashed once. */
typedef struct Copy {
        Artifact *artifact; /* borrowed: kind, name, size */
        int fd;             /* memfd; -1: the bytes go to the map */
        bool written;       /* the memfd has the bytes already */
        uint8_t *map;       /* private memory, owned; NULL: the bytes go to the memfd */
        HashPair *hash;
        uint64_t done;
} Copy;

static void copy_done(Copy *copy)
{
        closep(&copy->fd);
        if (copy->map)
                munmap(copy->map, copy->artifact->size);
        hash_pair_free(copy->hash);
}

static int copy_begin_hash(Copy *copy, CvmError *error)
{
        copy->hash = hash_pair_new();
        if (copy->hash)
                return 0;
        return cvm_error_system(error, -ENOMEM, "hash artifact '%s'", copy->artifact->name);
}

static int copy_begin_private(Copy *copy, CvmError *error)
{
        void *map = mmap(NULL, copy->artifact->size, PROT_READ | PROT_WRITE,
                         MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

        if (map == MAP_FAILED)
                return cvm_error_system(error, -errno, "read artifact '%s'", copy->artifact->name);
        /* large pages are cheaper to fill; without them it works, too */
        madvise(map, copy->artifact->size, MADV_HUGEPAGE);
        copy->map = map;
        return copy_begin_hash(copy, error);
}

static int copy_begin(Copy *copy, CvmError *error)
{
        int r = copy_begin_hash(copy, error);

        if (r < 0)
                return r;
        copy->fd = memfd_new("artifact"); /* not its name: that may be too long for one */
        if (copy->fd < 0)
                return cvm_error_system(error, copy->fd, "create a memory file");
        return 0;
}

/* The first call gets at least ARTIFACT_HEAD_SIZE bytes of a file that has them: a file of the
 * wrong kind is refused before all of it is in memory. */
static int copy_add(Copy *copy, const uint8_t *data, size_t size, CvmError *error)
{
        const char *name = copy->artifact->name, *reason;
        int r;

        if (copy->done == 0) {
                reason = artifact_check_kind(copy->artifact->kind, data, copy->artifact->size);
                if (reason)
                        return cvm_error_artifact(error, name, "%s", reason);
        }
        r = copy->map || copy->written ? 0 : fd_write_all(copy->fd, data, size);
        if (r < 0)
                return cvm_error_system(error, r, "copy artifact '%s' into memory", name);
        hash_pair_update(copy->hash, data, size);
        copy->done += size;
        return 0;
}

static int copy_finish(Copy *copy, HashPairDigest *ret, CvmError *error)
{
        int r = hash_pair_finish(copy->hash, ret);

        if (r < 0)
                return cvm_error_system(error, r, "hash artifact '%s'", copy->artifact->name);
        r = copy->map || copy->written ? 0 : memfd_seal(copy->fd);
        if (r < 0)
                return cvm_error_system(error, r, "seal artifact '%s'", copy->artifact->name);
        return 0;
}

/* Fills the buffer from offset on; returns fewer bytes only at the end of the file. */
static ssize_t artifact_read_chunk(int fd, uint8_t *buffer, size_t size, uint64_t offset)
{
        size_t n = 0;

        while (n < size) {
                ssize_t got = pread(fd, buffer + n, size - n, (off_t)(offset + n));

                if (got < 0 && errno == EINTR)
                        continue;
                if (got < 0)
                        return -errno;
                if (got == 0)
                        break;
                n += (size_t)got;
        }
        return (ssize_t)n;
}

static int copy_file(Copy *copy, int fd, CvmError *error)
{
        _cleanup_free_ uint8_t *buffer = copy->map ? NULL : malloc(CHUNK);
        const Artifact *artifact = copy->artifact;

        if (!buffer && !copy->map)
                return cvm_error_system(error, -ENOMEM, "read artifact '%s'", artifact->name);
        while (copy->done < artifact->size) {
                uint64_t left = artifact->size - copy->done;
                size_t wanted = left < CHUNK ? (size_t)left : CHUNK;
                uint8_t *to = copy->map ? copy->map + copy->done : buffer;
                ssize_t n = artifact_read_chunk(fd, to, wanted, copy->done);
                int r;

                if (n < 0)
                        return cvm_error_system(error, (int)n, "read artifact '%s'",
                                                artifact->name);
                if ((size_t)n < wanted)
                        return cvm_error_artifact(error, artifact->name,
                                                  "changed while it was read");
                r = copy_add(copy, to, (size_t)n, error);
                if (r < 0)
                        return r;
        }
        return 0;
}

static bool same_version(const struct stat *a, const struct stat *b)
{
        return a->st_size == b->st_size && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
               a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
               a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

typedef enum Target {
        TARGET_MEMFD,   /* a new one */
        TARGET_PRIVATE, /* memory of this process */
        TARGET_ITSELF,  /* the file is a sealed memfd of this process's own */
} Target;

static int copy_begin_as(Copy *copy, Target target, int fd, CvmError *error)
{
        if (target == TARGET_PRIVATE)
                return copy_begin_private(copy, error);
        if (target == TARGET_MEMFD)
                return copy_begin(copy, error);
        copy->fd = fcntl(fd, F_DUPFD_CLOEXEC, 0);
        if (copy->fd < 0)
                return cvm_error_system(error, -errno, "take a memory file");
        copy->written = true;
        return copy_begin_hash(copy, error);
}

/* ret_map: of TARGET_PRIVATE. reserve: may be NULL. */
static int artifact_load_any(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                             Target target, const ArtifactReserve *reserve, Artifact **ret,
                             void **ret_map, CvmError *error)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_(copy_done) Copy copy = {.fd = -1};
        struct stat before, after;
        int r;

        if (fstat(fd, &before) < 0)
                return cvm_error_system(error, -errno, "read artifact '%s'", name);
        if (!S_ISREG(before.st_mode))
                return cvm_error_artifact(error, name, "not a regular file");
        if ((uint64_t)before.st_size > ARTIFACT_SIZE_MAX)
                return cvm_error_artifact(error, name, "larger than %llu bytes", ARTIFACT_SIZE_MAX);
        if (before.st_size == 0)
                return cvm_error_artifact(error, name, "empty");
        r = reserve ? reserve->reserve(reserve->userdata, (uint64_t)before.st_size, error) : 0;
        if (r < 0)
                return r;

        artifact = artifact_new(kind, name, (uint64_t)before.st_size);
        if (!artifact)
                return cvm_error_system(error, -ENOMEM, "read artifact '%s'", name);
        copy.artifact = artifact;
        r = copy_begin_as(&copy, target, fd, error);
        if (r < 0)
                return r;
        r = copy_file(&copy, fd, error);
        if (r < 0)
                return r;
        if (fstat(fd, &after) < 0)
                return cvm_error_system(error, -errno, "read artifact '%s'", name);
        if (!same_version(&before, &after))
                return cvm_error_artifact(error, name, "changed while it was read");
        r = copy_finish(&copy, &artifact->digest, error);
        if (r < 0)
                return r;
        artifact->fd = TAKE_FD(copy.fd);
        if (sha256) {
                r = artifact_check_pin(artifact, sha256, error);
                if (r < 0)
                        return r;
        }
        if (ret_map)
                *ret_map = TAKE_PTR(copy.map);
        *ret = TAKE_PTR(artifact);
        return 0;
}

int artifact_load(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                  Artifact **ret, CvmError *error)
{
        return artifact_load_any(kind, name, fd, sha256, TARGET_MEMFD, NULL, ret, NULL, error);
}

int artifact_load_reserved(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                           const ArtifactReserve *reserve, Artifact **ret, CvmError *error)
{
        return artifact_load_any(kind, name, fd, sha256, TARGET_MEMFD, reserve, ret, NULL, error);
}

int artifact_adopt(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                   Artifact **ret, CvmError *error)
{
        return artifact_load_any(kind, name, fd, sha256, TARGET_ITSELF, NULL, ret, NULL, error);
}

int artifact_load_private(SpecArtifactKind kind, const char *name, int fd, const uint8_t *sha256,
                          Artifact **ret, void **ret_map, CvmError *error)
{
        return artifact_load_any(kind, name, fd, sha256, TARGET_PRIVATE, NULL, ret, ret_map, error);
}

static int refuse_digest(const Artifact *artifact, const uint8_t *found, const char *whose,
                         const uint8_t *wanted, CvmError *error)
{
        _cleanup_free_ char *found_hex = text_hex(found, SHA256_SIZE);
        _cleanup_free_ char *wanted_hex = text_hex(wanted, SHA256_SIZE);

        return cvm_error_artifact(error, artifact->name, "its SHA-256 is %s, but %s is %s",
                                  found_hex ?: "?", whose, wanted_hex ?: "?");
}

int artifact_check_pin(const Artifact *artifact, const uint8_t sha256[static SHA256_SIZE],
                       CvmError *error)
{
        if (memcmp(artifact->digest.sha256, sha256, SHA256_SIZE) == 0)
                return 0;
        return refuse_digest(artifact, artifact->digest.sha256, "the pinned one", sha256, error);
}

int artifact_check_listed(const Artifact *artifact, const uint8_t sha256[static SHA256_SIZE],
                          CvmError *error)
{
        if (memcmp(artifact->digest.sha256, sha256, SHA256_SIZE) == 0)
                return 0;
        return refuse_digest(artifact, artifact->digest.sha256, "the one in its image's manifest",
                             sha256, error);
}

/* The pages belong to the executable: once copied they need not stay in memory. A table that does
 * not start on a page boundary keeps them: the call then fails. */
static void drop_pages(const uint8_t *start, size_t size)
{
        madvise((void *)start, size, MADV_DONTNEED);
}

static int copy_embedded(Copy *copy, CvmError *error)
{
        const EmbeddedArtifact *embedded = copy->artifact->embedded;
        int r = 0;

        while (r == 0 && copy->done < copy->artifact->size) {
                const uint8_t *at = embedded->start + copy->done;
                uint64_t left = copy->artifact->size - copy->done;
                size_t n = left < CHUNK ? (size_t)left : CHUNK;

                r = copy_add(copy, at, n, error);
                drop_pages(at, n);
        }
        /* a fault at the start of a chunk also maps pages before it */
        drop_pages(embedded->start, (size_t)copy->artifact->size);
        return r;
}

static int prepare(Artifact *artifact, CvmError *error)
{
        _cleanup_(copy_done) Copy copy = {.artifact = artifact, .fd = -1};
        HashPairDigest digest;
        int r;

        r = copy_begin(&copy, error);
        if (r < 0)
                return r;
        r = copy_embedded(&copy, error);
        if (r < 0)
                return r;
        r = copy_finish(&copy, &digest, error);
        if (r < 0)
                return r;
        if (memcmp(&digest, &artifact->digest, sizeof(digest)) != 0)
                return refuse_digest(artifact, digest.sha256,
                                     "the one of the file that the build embedded",
                                     artifact->digest.sha256, error);
        artifact->fd = TAKE_FD(copy.fd);
        return 0;
}

int artifact_prepare(Artifact *artifact, CvmError *error)
{
        int r = 0;

        if (!artifact->embedded)
                return 0;
        pthread_mutex_lock(&artifact->prepare_lock);
        if (artifact->fd < 0)
                r = prepare(artifact, error);
        pthread_mutex_unlock(&artifact->prepare_lock);
        return r;
}
