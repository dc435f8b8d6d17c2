/* SPDX-License-Identifier: Apache-2.0 */
#include "local/artifact_files.h"

#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/fail_point.h"
#include "base/fd.h"
#include "base/memfd.h"
#include "base/text.h"

#define CHUNK (1u << 20)
#define DIRECTORY "artifacts"
#define NAME_SIZE (2 * SHA256_SIZE + 1)

typedef struct Entry {
        char name[NAME_SIZE];
        unsigned n_ref;
        bool written; /* else another process writes it */
} Entry;

struct ArtifactFiles {
        int dirfd;
        gid_t group;
        pthread_mutex_t lock; /* guards the entries; never held over I/O but unlink */
        pthread_cond_t changed;
        Entry *entries;
        size_t n, allocated;
};

int artifact_files_new(int runtime_fd, gid_t group, ArtifactFiles **ret)
{
        ArtifactFiles *files = calloc(1, sizeof(*files));
        struct stat st;
        int r = 0;

        if (!files)
                return -ENOMEM;
        pthread_mutex_init(&files->lock, NULL);
        pthread_cond_init(&files->changed, NULL);
        files->group = group;
        files->dirfd = -1;
        if (mkdirat(runtime_fd, DIRECTORY, 0700) < 0 && errno != EEXIST)
                r = -errno;
        if (r == 0) {
                files->dirfd = openat(runtime_fd, DIRECTORY,
                                      O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
                if (files->dirfd < 0 || fstat(files->dirfd, &st) < 0)
                        r = -errno;
                else if (st.st_uid != geteuid())
                        r = -EPERM;
        }
        if (r == 0 && geteuid() == 0 && fchown(files->dirfd, (uid_t)-1, group) < 0)
                r = -errno;
        if (r == 0 && fchmod(files->dirfd, 0710) < 0)
                r = -errno;
        if (r < 0) {
                artifact_files_free(files);
                return r;
        }
        *ret = files;
        return 0;
}

ArtifactFiles *artifact_files_free(ArtifactFiles *files)
{
        if (!files)
                return NULL;
        if (files->dirfd >= 0)
                close(files->dirfd);
        pthread_mutex_destroy(&files->lock);
        pthread_cond_destroy(&files->changed);
        free(files->entries);
        free(files);
        return NULL;
}

/* With the lock held. */
static Entry *artifact_files_find(ArtifactFiles *files, const char *name)
{
        for (size_t i = 0; i < files->n; i++)
                if (strcmp(files->entries[i].name, name) == 0)
                        return &files->entries[i];
        return NULL;
}

/* With the lock held; without a reference yet. */
static Entry *artifact_files_add(ArtifactFiles *files, const char *name)
{
        if (files->n == files->allocated) {
                size_t more = files->allocated ? files->allocated * 2 : 8;
                Entry *grown = reallocarray(files->entries, more, sizeof(*grown));

                if (!grown)
                        return NULL;
                files->entries = grown;
                files->allocated = more;
        }
        files->entries[files->n] = (Entry){};
        text_copy(files->entries[files->n].name, NAME_SIZE, name);
        return &files->entries[files->n++];
}

/* With the lock held. */
static void artifact_files_release(ArtifactFiles *files, const char *name)
{
        Entry *entry = artifact_files_find(files, name);

        if (!entry || --entry->n_ref > 0)
                return;
        if (unlinkat(files->dirfd, name, 0) < 0 && errno != ENOENT)
                return; /* the next daemon's clean-up */
        *entry = files->entries[--files->n];
}

void artifact_files_drop(ArtifactFiles *files, const char *name)
{
        pthread_mutex_lock(&files->lock);
        artifact_files_release(files, name);
        pthread_mutex_unlock(&files->lock);
}

int artifact_files_hold(ArtifactFiles *files, const char *name)
{
        Entry *entry;

        if (faccessat(files->dirfd, name, F_OK, AT_SYMLINK_NOFOLLOW) < 0)
                return -errno;
        pthread_mutex_lock(&files->lock);
        entry = artifact_files_find(files, name) ?: artifact_files_add(files, name);
        if (entry) {
                entry->n_ref++;
                entry->written = true;
        }
        pthread_mutex_unlock(&files->lock);
        return entry ? 0 : -ENOMEM;
}

/* Copies the artifact, and what its reader will see must have its digest. */
static int artifact_files_copy(const Artifact *artifact, int fd)
{
        _cleanup_(hash_pair_freep) HashPair *hash = hash_pair_new();
        _cleanup_free_ char *buffer = malloc(CHUNK);
        HashPairDigest digest;
        int r = 0;

        if (!hash || !buffer)
                return -ENOMEM;
        for (uint64_t at = 0; r == 0 && at < artifact->size;) {
                ssize_t n = pread(artifact->fd, buffer, CHUNK, (off_t)at);

                if (n <= 0)
                        return n < 0 ? -errno : -EIO;
                r = fd_write_all(fd, buffer, (size_t)n);
                at += (uint64_t)n;
        }
        for (uint64_t at = 0; r == 0;) {
                ssize_t n = pread(fd, buffer, CHUNK, (off_t)at);

                if (n < 0)
                        return -errno;
                if (n == 0)
                        break;
                hash_pair_update(hash, buffer, (size_t)n);
                at += (uint64_t)n;
        }
        if (r == 0)
                r = hash_pair_finish(hash, &digest);
        if (r == 0 && memcmp(digest.sha256, artifact->digest.sha256, SHA256_SIZE) != 0)
                r = -EBADMSG;
        return r;
}

static int artifact_files_write(ArtifactFiles *files, const Artifact *artifact, const char *name)
{
        char part[NAME_SIZE + 4];
        _cleanup_close_ int fd = -1;
        int r = 0;

        snprintf(part, sizeof(part), "%s.new", name);
        if (unlinkat(files->dirfd, part, 0) < 0 && errno != ENOENT)
                return -errno;
        fd = openat(files->dirfd, part, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
        if (fd < 0)
                return -errno;
        fail_point("artifact file: begun");
        r = artifact_files_copy(artifact, fd);
        if (r == 0 && geteuid() == 0 && fchown(fd, (uid_t)-1, files->group) < 0)
                r = -errno;
        if (r == 0 && fchmod(fd, 0440) < 0)
                r = -errno;
        if (r == 0 && renameat(files->dirfd, part, files->dirfd, name) < 0)
                r = -errno;
        if (r < 0)
                unlinkat(files->dirfd, part, 0);
        return r;
}

int artifact_files_put(ArtifactFiles *files, const Artifact *artifact, CvmError *error)
{
        _cleanup_free_ char *name = text_hex(artifact->digest.sha256, SHA256_SIZE);
        Entry *entry = NULL;
        int r = 0;

        if (!name)
                return cvm_error_system(error, -ENOMEM, "write an artifact");
        pthread_mutex_lock(&files->lock);
        while ((entry = artifact_files_find(files, name)) && !entry->written)
                pthread_cond_wait(&files->changed, &files->lock);
        if (entry) {
                entry->n_ref++;
                pthread_mutex_unlock(&files->lock);
                return 0;
        }
        entry = artifact_files_add(files, name);
        if (entry)
                entry->n_ref = 1;
        pthread_mutex_unlock(&files->lock);
        r = entry ? artifact_files_write(files, artifact, name) : -ENOMEM;
        pthread_mutex_lock(&files->lock);
        entry = artifact_files_find(files, name); /* it may lie elsewhere now */
        if (entry && r == 0)
                entry->written = true;
        else if (entry)
                artifact_files_release(files, name);
        pthread_cond_broadcast(&files->changed);
        pthread_mutex_unlock(&files->lock);
        return r < 0 ? cvm_error_file(error, r, files->dirfd, name, "write an artifact to") : 0;
}

int artifact_files_clean(ArtifactFiles *files)
{
        int fd = openat(files->dirfd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        DIR *dir = fd < 0 ? NULL : fdopendir(fd);
        struct dirent *entry;

        if (!dir) {
                if (fd >= 0)
                        close(fd);
                return -errno;
        }
        pthread_mutex_lock(&files->lock);
        while ((entry = readdir(dir)))
                if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
                    !artifact_files_find(files, entry->d_name))
                        unlinkat(files->dirfd, entry->d_name, 0);
        pthread_mutex_unlock(&files->lock);
        closedir(dir);
        return 0;
}
