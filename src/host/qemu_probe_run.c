/* SPDX-License-Identifier: Apache-2.0 */
/* How a probe is got: by running the binary, or from a file of an earlier run. */
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/utsname.h>

#include "base/file.h"
#include "base/hash_pair.h"
#include "base/text.h"
#include "host/qemu_internal.h"

#define FORMAT 2 /* of a kept probe; another one is as none */

int qemu_probe_run(const char *path, QemuProbe **ret, char **ret_reason)
{
        _cleanup_free_ char *output = NULL;
        const char *reason = NULL;
        QemuProcess process;
        int r = qemu_process_start(path, &process);

        if (r < 0) {
                *ret_reason = strdup("a process cannot be started");
                return r;
        }
        r = qemu_probe_talk(process.socket, QEMU_PROBE_MSEC, ret, &reason);
        qemu_process_end(&process, r == -ETIMEDOUT || r == -EPROTO, &output);
        if (r < 0)
                *ret_reason = text_format("%s%s%s", reason, output ? ": " : "", output ?: "");
        return r;
}

int qemu_identity_read(const char *path, QemuIdentity *ret)
{
        struct stat st;

        if (stat(path, &st) < 0)
                return -errno;
        *ret = (QemuIdentity){
                .size = (uint64_t)st.st_size,
                .inode = st.st_ino,
                .device = st.st_dev,
                .mtime_nsec = (int64_t)st.st_mtim.tv_sec * 1000000000 + st.st_mtim.tv_nsec,
        };
        return 0;
}

bool qemu_identity_equal(const QemuIdentity *a, const QemuIdentity *b)
{
        return a->size == b->size && a->inode == b->inode && a->device == b->device &&
               a->mtime_nsec == b->mtime_nsec;
}

/* By what a kept probe is known to be this binary's, here and now; NULL without memory. */
static json_object *origin_new(const char *path, const QemuIdentity *identity)
{
        struct utsname system;

        if (uname(&system) < 0)
                return NULL;
        return json_build("format", json_object_new_int(FORMAT), "program",
                          json_new_text(CVMD_VERSION), "kernel", json_new_text(system.release),
                          "path", json_new_text(path), "size",
                          json_object_new_uint64(identity->size), "inode",
                          json_object_new_uint64(identity->inode), "device",
                          json_object_new_uint64(identity->device), "mtime",
                          json_object_new_int64(identity->mtime_nsec), NULL);
}

/* A file's name for a path: 32 hex digits of its digest. */
static int qemu_probe_run_file_name(const char *path, char ret[static 40])
{
        _cleanup_free_ char *hex = NULL;
        HashPairDigest digest;

        if (hash_pair_bytes(path, strlen(path), &digest) < 0 ||
            !(hex = text_hex(digest.sha256, SHA256_SIZE)))
                return -ENOMEM;
        snprintf(ret, 40, "%.32s.json", hex);
        return 0;
}

static int cache_read(int dirfd, const char *name, json_object *origin, QemuProbe **ret)
{
        _cleanup_json_ json_object *root = NULL;
        _cleanup_free_ char *text = NULL;
        size_t size;
        int r = file_read_at(dirfd, name, QEMU_PROBE_FILE_MAX, &text, &size);

        if (r == 0)
                r = json_parse(text, size, &root, NULL);
        if (r < 0)
                return r;
        if (!json_object_is_type(root, json_type_object) ||
            !json_object_equal(json_member(root, "origin"), origin))
                return -ENOENT;
        return qemu_probe_parse(json_member(root, "probe"), ret);
}

static void cache_write(int dirfd, const char *name, json_object *origin, const QemuProbe *probe)
{
        _cleanup_json_ json_object *root = json_build("origin", json_object_get(origin), "probe",
                                                      qemu_probe_to_json(probe), NULL);
        const char *text = json_text(root);

        /* without it the next start asks again, no more */
        (void)file_write_atomic_at(dirfd, name, text, strlen(text), 0600);
}

int qemu_probe_cached(const char *path, int cache_dirfd, QemuProbe **ret, char **ret_reason)
{
        _cleanup_json_ json_object *origin = NULL;
        QemuIdentity identity;
        char name[40];
        int r = qemu_identity_read(path, &identity);

        *ret_reason = NULL;
        if (r < 0)
                return r;
        origin = origin_new(path, &identity);
        if (!origin || qemu_probe_run_file_name(path, name) < 0)
                return -ENOMEM;
        if (cache_dirfd >= 0 && cache_read(cache_dirfd, name, origin, ret) == 0)
                return 0;
        r = qemu_probe_run(path, ret, ret_reason);
        if (r == 0 && cache_dirfd >= 0)
                cache_write(cache_dirfd, name, origin, *ret);
        return r;
}
