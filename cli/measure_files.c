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
        /* while others are hashed; a failure appears again when the file is measured */
        if (loading->what.code)
                file->has_code =
                        measure_read_code(loading->what.method,
                                          (Bytes){file->map, file->artifact->size},
                                          loading->kind == ARTIFACT_IGVM, &file->code) == 0;
        return NULL;
}

/* Ends the thread and hands out what it has; the failure is printed unless there was one before. */
static ExitStatus measure_files_finish(const Cli *cli, Loading *loading, ExitStatus before,
                                       MeasuredFile *ret)
{
        ExitStatus status = EXIT_OK;

        if (loading->has_thread)
                pthread_join(loading->thread, NULL);
        if (!before.code && cvm_error_is_set(&loading->error))
                status = fail_error(cli, &loading->error, NULL);
        else if (!before.code && loading->unreadable)
                status = fail_file_error(cli, loading->what.path, -loading->unreadable, NULL);
        cvm_error_done(&loading->error);
        if (!before.code && !status.code)
                *ret = loading->file;
        else
                measured_file_done(&loading->file);
        return exit_first(before, status);
}

ExitStatus measured_files_open(const Cli *cli, const MeasuredPath paths[static _ARTIFACT_KIND_MAX],
                               MeasuredFile ret[static _ARTIFACT_KIND_MAX])
{
        Loading all[_ARTIFACT_KIND_MAX] = {};
        ExitStatus status = EXIT_OK;

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
                status = measure_files_finish(cli, &all[kind], status, &ret[kind]);
        for (SpecArtifactKind kind = 0; status.code && kind < _ARTIFACT_KIND_MAX; kind++)
                measured_file_done(&ret[kind]);
        return status;
}

ExitStatus measured_file_open(const Cli *cli, SpecArtifactKind kind, const char *path,
                              MeasuredFile *ret)
{
        MeasuredPath paths[_ARTIFACT_KIND_MAX] = {};
        MeasuredFile files[_ARTIFACT_KIND_MAX] = {};
        ExitStatus status;

        paths[kind].path = path;
        status = measured_files_open(cli, paths, files);
        *ret = files[kind];
        return status;
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
