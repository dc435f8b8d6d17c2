/* SPDX-License-Identifier: Apache-2.0 */
#include <fcntl.h>

#include "artifact/artifact.h"
#include "artifact/artifact_internal.h"
#include "base/fd.h"

static int install_file(ArtifactStore *store, int directory, SpecArtifactKind kind,
                        const char *name, CvmError *error)
{
        _cleanup_(artifact_unrefp) Artifact *artifact = NULL;
        _cleanup_close_ int fd =
                openat(directory, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
        int r;

        if (fd < 0)
                return errno == ENOENT ? 0 : cvm_error_file(error, -errno, directory, name, "open");
        r = artifact_load(kind, name, fd, NULL, &artifact, error);
        if (r < 0)
                return r;
        artifact->installed = true;
        r = artifact_store_append_own(store, artifact);
        if (r < 0)
                return cvm_error_system(error, r, "list artifact '%s'", name);
        TAKE_PTR(artifact); /* the store's */
        return 0;
}

int artifact_store_install(ArtifactStore *store, const char *directory,
                           void (*on_fault)(const CvmError *error))
{
        static const struct {
                const char *name;
                SpecArtifactKind kind;
        } files[] = {
                {"kernel", ARTIFACT_KERNEL},
                {"initramfs", ARTIFACT_INITRAMFS},
                {"initramfs-debug", ARTIFACT_INITRAMFS},
                {"igvm", ARTIFACT_IGVM},
                {"firmware-tdx", ARTIFACT_FIRMWARE},
                {"firmware-sev", ARTIFACT_FIRMWARE},
        };
        _cleanup_close_ int fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

        if (fd < 0)
                return errno == ENOENT ? 0 : -errno;
        for (size_t i = 0; i < ARRAY_SIZE(files); i++) {
                _cleanup_(cvm_error_done) CvmError error = {};

                if (artifact_store_has_own(store, files[i].name))
                        continue;
                if (install_file(store, fd, files[i].kind, files[i].name, &error) < 0)
                        on_fault(&error);
        }
        return 0;
}
