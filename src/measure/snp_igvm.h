/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The launch digest of an SEV-SNP guest that QEMU starts from an IGVM file (igvm-cfg).
 *
 * Source: QEMU, backends/igvm.c (pages without data are sent as normal pages of zeros, parameter
 * areas unmeasured, required memory not at all; igvm_order.h has the order) and target/i386/sev.c;
 * Linux, arch/x86/kvm/svm/sev.c: VMSAs come last, at one fixed address. Upstream KVM measures every
 * vCPU's; KVM that knows of SVSM only the first vCPU's: with several vCPUs the digest depends on
 * the host.
 */

#include "measure/igvm_vp.h"
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
 * `first` gets the digest of a host that measures the VMSA of the first vCPU only; `every`, if it
 * is not NULL, of one that measures a VMSA of every vCPU: for those that the file gives none, as at
 * reset. Remarks say on which hosts. *ret_features: SEV_FEATURES of the first VMSA.
 *
 * ArtifactInvalid: not for SEV-SNP, no VP context, VP contexts that QEMU cannot give KVM
 * (igvm_vp.h), shared pages, pages that overlap.
 */
int snp_igvm_measure(const SnpIgvm *input, Register *first, Register *every, uint64_t *ret_features,
                     CvmError *error);
