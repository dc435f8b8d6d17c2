/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a firmware or an IGVM file is one that a kind of guest can boot from, as far as that
 * shows before QEMU is started: QEMU finds out late, or not at all.
 *
 * Kinds of guest: "native", "sev", "sev-es", "sev-snp", "tdx"; a template names one for its
 * firmware or IGVM file (cvm-template(5), "guest").
 */

#include "artifact/artifact.h"
#include "host/qemu_probe.h"
#include "measure/igvm.h"
#include "template/plan.h"

/* ArtifactInvalid: QEMU cannot map a file of this size; or the metadata that it wants for such a
 * guest (NULL: any) are broken or not there: the table of kernel hashes ("sev", and all that
 * follow), the AP reset address ("sev-es"), SEV metadata with a section for kernel hashes
 * ("sev-snp"), TDVF metadata ("tdx"). */
int boot_check_firmware(Bytes file, const char *name, const char *guest, CvmError *error);

/* ArtifactInvalid: igvm_parse() refuses it, it is not for that guest, its pages overlap, QEMU
 * cannot give KVM its VP contexts (igvm_vp.h; cpus 0: their number is not known), or it has headers
 * that this QEMU does not load (qemu NULL: not known, so none is refused). */
int boot_check_igvm(Bytes file, const char *name, const char *guest, const QemuProbe *qemu,
                    uint32_t cpus, PlanIgvm *ret, CvmError *error);

/* What a launch boots from. */
typedef struct BootCheck {
        Artifact *const *artifacts; /* by kind, NULL if there is none; prepared */
        const Template *template;
        const QemuProbe *qemu; /* NULL: it could not be asked */
        uint32_t cpus;         /* of the CVM */
} BootCheck;

/* Checks the launch's firmware and IGVM file in the very memory files that QEMU will read. Sets the
 * error of each artifact that is refused, unless it has one already, and what the IGVM file says to
 * the launch. Takes as long as reading the files' headers; thread-safe. */
void boot_check_run(const BootCheck *check, PlanIgvm *ret, CvmError *errors);
