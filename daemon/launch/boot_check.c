/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/boot_check.h"

#include <sys/mman.h>

#include "measure/boot_file.h"

static void check_one(const BootCheck *check, SpecArtifactKind kind, PlanIgvm *ret, CvmError *error)
{
        const char *guest = template_artifact_guest(check->template, kind);
        const Artifact *artifact = check->artifacts[kind];
        Bytes bytes;
        void *data;

        if (!artifact || (!guest && kind == ARTIFACT_IGVM) || cvm_error_is_set(error))
                return;
        /* private: before Linux 6.7 a file sealed against writing has no shared mapping */
        data = mmap(NULL, artifact->size, PROT_READ, MAP_PRIVATE, artifact->fd, 0);
        if (data == MAP_FAILED) {
                cvm_error_system(error, -errno, "map artifact %s", artifact->name);
                return;
        }
        bytes = (Bytes){data, artifact->size};
        if (kind == ARTIFACT_IGVM)
                boot_check_igvm(bytes, spec_artifact_kind_name(kind), guest, check->qemu,
                                check->cpus, ret, error);
        else
                boot_check_firmware(bytes, spec_artifact_kind_name(kind), guest, error);
        munmap(data, artifact->size);
}

void boot_check_run(const BootCheck *check, PlanIgvm *ret, CvmError *errors)
{
        *ret = (PlanIgvm){};
        check_one(check, ARTIFACT_FIRMWARE, ret, &errors[ARTIFACT_FIRMWARE]);
        check_one(check, ARTIFACT_IGVM, ret, &errors[ARTIFACT_IGVM]);
}
