/* SPDX-License-Identifier: Apache-2.0 */
#include "measure/boot_check.h"

#include <string.h>
#include <sys/mman.h>

#include "base/text.h"
#include "measure/bytes.h"
#include "measure/igvm_ranges.h"
#include "measure/igvm_vp.h"
#include "measure/ovmf.h"
#include "measure/tdvf.h"

/* hw/i386/x86.c: QEMU maps such firmware below 4 GiB and no other. */
#define FIRMWARE_UNIT 65536u
#define AMDSEV "(an AmdSev build of OVMF has it: package ovmf-amdsev)"

/* Of an OVMF that QEMU can pass kernel hashes to; for SEV-SNP they want a section besides. */
static int boot_check_sev(Bytes file, const char *name, const char *guest, CvmError *error)
{
        OvmfSev sev = {};
        int r;

        if (strcmp(guest, "sev-snp") == 0)
                r = ovmf_parse_sev(file, name, &sev, error);
        else
                r = ovmf_find_sev(file, name, &sev, error);
        if (r < 0)
                return r;
        if (!sev.hashes_gpa || (strcmp(guest, "sev-snp") == 0 && !ovmf_takes_hashes(&sev)))
                return cvm_error_artifact(error, name,
                                          "has no section for kernel hashes, so the kernel would "
                                          "not be measured " AMDSEV);
        if (strcmp(guest, "sev") != 0 && !sev.reset_eip)
                return cvm_error_artifact(
                        error, name,
                        "has no AP reset address, which encrypted register state requires " AMDSEV);
        return 0;
}

int boot_check_firmware(Bytes file, const char *name, const char *guest, CvmError *error)
{
        Tdvf tdvf;
        int r = 0;

        if (guest && strncmp(guest, "sev", 3) == 0)
                r = boot_check_sev(file, name, guest, error);
        else if (guest && strcmp(guest, "tdx") == 0)
                r = tdvf_parse(file, name, &tdvf, error);
        if (r == 0 && file.size % FIRMWARE_UNIT != 0)
                r = cvm_error_artifact(
                        error, name,
                        "not a multiple of 64 KiB, so QEMU cannot map it: instead of firmware in "
                        "two files, CODE and VARS, use the variant in a single file");
        return r;
}

/* backends/igvm.c of QEMU 11 loads MADT, too; COCONUT-SVSM's QEMU all that its
 * igvmbuilder makes. */
static bool loads(const QemuProbe *qemu, uint32_t type)
{
        bool coconut = qemu_probe_flavour(qemu) == QEMU_COCONUT;

        if (igvm_type_loads(type))
                return true;
        if (type == IGVM_MADT)
                return coconut || strtoul(qemu_probe_version(qemu), NULL, 10) >= 11;
        return coconut && type == IGVM_DEVICE_TREE;
}

static int check_headers(const Igvm *igvm, const char *name, const QemuProbe *qemu, CvmError *error)
{
        _cleanup_free_ char *described = NULL;
        size_t cursor = 0;
        IgvmHeader header;

        while (igvm_next(igvm, &cursor, &header)) {
                const char *type = igvm_type_name(header.type);

                if (loads(qemu, header.type))
                        continue;
                described = qemu_probe_describe(qemu);
                return cvm_error_artifact(error, name,
                                          "has a header of type 0x%x (%s) at offset 0x%zx, which "
                                          "%s does not load: use a QEMU that does, for example "
                                          "COCONUT-SVSM's, or build the file without it",
                                          header.type, type ?: "unknown", header.offset,
                                          described ?: "this QEMU");
        }
        return 0;
}

static int refuse_platform(const Igvm *igvm, const char *name, const char *guest, CvmError *error)
{
        _cleanup_(buffer_done) Buffer others = {};

        for (size_t i = 0; i < igvm->n_platforms; i++)
                if (buffer_appendf(&others, "%s%s", i > 0 ? ", " : "",
                                   igvm_platform_name(igvm->platforms[i].type)) < 0)
                        break;
        return cvm_error_artifact(error, name,
                                  "an IGVM file for %s, not for %s: build one for that platform",
                                  others.data ?: "?", guest);
}

static const IgvmPlatform *boot_check_find_platform(const Igvm *igvm, const char *guest)
{
        for (size_t i = 0; i < igvm->n_platforms; i++)
                if (strcmp(igvm_platform_name(igvm->platforms[i].type), guest) == 0)
                        return &igvm->platforms[i];
        return NULL;
}

int boot_check_igvm(Bytes file, const char *name, const char *guest, const QemuProbe *qemu,
                    uint32_t cpus, PlanIgvm *ret, CvmError *error)
{
        const IgvmPlatform *platform;
        PlanIgvm plan = {};
        IgvmVmsas vmsas;
        Igvm igvm;
        int r;

        r = igvm_parse(file, name, &igvm, error);
        if (r < 0)
                return r;
        platform = boot_check_find_platform(&igvm, guest);
        if (!platform)
                return refuse_platform(&igvm, name, guest, error);
        r = igvm_check_overlap(&igvm, name, platform->mask, error);
        if (r == 0)
                r = igvm_check_vps(&igvm, name, platform, cpus, &vmsas, error);
        if (r == 0 && qemu)
                r = check_headers(&igvm, name, qemu, error);
        if (r < 0)
                return r;
        plan.service = igvm_is_service(platform);
        plan.has_policy = igvm_find_policy(&igvm, platform->type, &plan.policy) == 0;
        *ret = plan;
        return 0;
}

static void boot_check_one(const BootCheck *check, SpecArtifactKind kind, PlanIgvm *ret,
                           CvmError *error)
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
        boot_check_one(check, ARTIFACT_FIRMWARE, ret, &errors[ARTIFACT_FIRMWARE]);
        boot_check_one(check, ARTIFACT_IGVM, ret, &errors[ARTIFACT_IGVM]);
}
