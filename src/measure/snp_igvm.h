/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The launch digest of an SEV-SNP guest that QEMU starts from an IGVM file (igvm-cfg).
 *
 * Source: QEMU, backends/igvm.c (each directive in file order; pages without data are sent as
 * normal pages of zeros, parameter areas unmeasured, required memory not at all) and
 * target/i386/sev.c; Linux, arch/x86/kvm/svm/sev.c: VMSAs come last, at one fixed address. Upstream
 * KVM measures every vCPU's; KVM that knows of SVSM only the first vCPU's: with several vCPUs the
 * digest depends on the host.
 */

#include "measure/igvm.h"
#include "measure/measurement.h"
#include "measure/snp.h"
#include "measure/vmsa.h"

typedef struct SnpIgvm {
        const Igvm *igvm;
        const char *name;       /* of the file, for errors */
        uint32_t cpus;          /* 0: not known */
        uint32_t cpu_signature; /* of the vCPUs to which the file gives no VMSA */
} SnpIgvm;

/*
 * `first` gets the digest of a host that measures the VMSAs of the file only; `every`, if it is not
 * NULL, of one that measures a VMSA of every vCPU: for those that the file gives none, as at reset.
 *
 * ArtifactInvalid: not for SEV-SNP, no VP context, one at another address than VMSA_GPA or before a
 * page, headers of types that QEMU's loader does not take, pages that overlap.
 */
int snp_igvm_measure(const SnpIgvm *input, Register *first, Register *every, CvmError *error);
