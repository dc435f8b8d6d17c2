/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_files.h"

#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>

#include "fail.h"

void measured_file_done(MeasuredFile *file)
{
        if (file->map)
                munmap(file->map, file->artifact->size);
        artifact_unref(file->artifact);
        *file = (MeasuredFile){};
}

/* A file that is loaded by a thread of its own. */
typedef struct Loading {
        SpecArtifactKind kind;
        MeasuredPath what;
        pthread_t thread;
        bool has_thread;
        MeasuredFile file;
        int unreadable; /* errno, where the file could not be opened */
        CvmError error;
} Loading;

static void *measure_files_load(void *userdata)
{
        Loading *loading = userdata;
        MeasuredFile *file = &loading->file;
        _cleanup_close_ int fd =
                open(loading->what.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);

        if (fd < 0) {
                loading->unreadable = errno;
                return NULL;
        }
        if (artifact_load_private(loading->kind, loading->what.path, fd, loading->what.sha256,
                                  &file->artifact, &file->map, &loading->error) < 0)
                return NULL;
        /* while others are hashed; a failure shows again where it is measured */
        if (loading->what.code)
                file->has_code =
                        measure_read_code(loading->what.method,
                                          (Bytes){file->map, file->artifact->size},
                                          loading->kind == ARTIFACT_IGVM, &file->code) == 0;
        return NULL;
}

/* Ends the thread and hands out what it has; the failure is printed unless there was one before. */
static int measure_files_finish(const Arguments *arguments, Loading *loading, int before,
                                MeasuredFile *ret)
{
        int r = 0;

        if (loading->has_thread)
                pthread_join(loading->thread, NULL);
        if (before == 0 && cvm_error_is_set(&loading->error))
                r = fail_error(arguments, &loading->error, NULL);
        else if (before == 0 && loading->unreadable)
                r = fail_file_error(arguments, loading->what.path, -loading->unreadable, NULL);
        cvm_error_done(&loading->error);
        if (before == 0 && r == 0)
                *ret = loading->file;
        else
                measured_file_done(&loading->file);
        return before ?: r;
}

int measured_files_open(const Arguments *arguments,
                        const MeasuredPath paths[static _ARTIFACT_KIND_MAX],
                        MeasuredFile ret[static _ARTIFACT_KIND_MAX])
{
        Loading all[_ARTIFACT_KIND_MAX] = {};
        int r = 0;

        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++) {
                Loading *loading = &all[kind];

                loading->kind = kind;
                loading->what = paths[kind];
                if (!paths[kind].path)
                        continue;
                loading->has_thread =
                        pthread_create(&loading->thread, NULL, measure_files_load, loading) == 0;
                if (!loading->has_thread)
                        measure_files_load(loading);
        }
        for (SpecArtifactKind kind = 0; kind < _ARTIFACT_KIND_MAX; kind++)
                r = measure_files_finish(arguments, &all[kind], r, &ret[kind]);
        for (SpecArtifactKind kind = 0; r != 0 && kind < _ARTIFACT_KIND_MAX; kind++)
                measured_file_done(&ret[kind]);
        return r;
}

int measured_file_open(const Arguments *arguments, SpecArtifactKind kind, const char *path,
                       MeasuredFile *ret)
{
        MeasuredPath paths[_ARTIFACT_KIND_MAX] = {};
        MeasuredFile files[_ARTIFACT_KIND_MAX] = {};
        int r;

        paths[kind].path = path;
        r = measured_files_open(arguments, paths, files);
        *ret = files[kind];
        return r;
}

MeasureFile measured_file_bytes(const MeasuredFile *file)
{
        if (!file->artifact)
                return (MeasureFile){};
        return (MeasureFile){
                .bytes = {file->map, file->artifact->size},
                .digests = file->artifact->digest,
                .has_code = file->has_code,
                .code = file->code,
        };
}
