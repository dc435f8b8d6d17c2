/* SPDX-License-Identifier: Apache-2.0 */
#include "measure_files.h"

#include <fcntl.h>
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

int measured_file_open(const Arguments *arguments, SpecArtifactKind kind, const char *path,
                       const uint8_t *sha256, MeasuredFile *ret)
{
        _cleanup_close_ int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        _cleanup_(cvm_error_done) CvmError error = {};
        MeasuredFile file = {};

        if (fd < 0)
                return fail_file(arguments, path, 0, "%s", strerror(errno));
        if (artifact_load(kind, path, fd, sha256, &file.artifact, &error) < 0)
                return fail_error(arguments, &error, NULL);
        file.map = mmap(NULL, file.artifact->size, PROT_READ, MAP_PRIVATE, file.artifact->fd, 0);
        if (file.map == MAP_FAILED) {
                int r = errno;

                file.map = NULL;
                measured_file_done(&file);
                return fail_file(arguments, path, 0, "%s", strerror(r));
        }
        *ret = file;
        return 0;
}

MeasureFile measured_file_bytes(const MeasuredFile *file)
{
        if (!file->artifact)
                return (MeasureFile){};
        return (MeasureFile){
                .bytes = {file->map, file->artifact->size},
                .digests = file->artifact->digest,
        };
}
