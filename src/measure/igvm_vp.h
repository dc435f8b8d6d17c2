/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * VP contexts: the state in which a vCPU starts. Of SEV-SNP and SEV-ES it is a VMSA, of native and
 * SEV a structure of registers, of VSM a list of registers; TDX has none.
 *
 * Sources: the Rust crate igvm for what may be in a file; for what QEMU passes on to KVM
 * target/i386/sev.c, check_vmsa_supported() and sev_apply_cpu_context(), and target/i386/sev.h,
 * struct sev_es_save_area.
 */

#include "measure/igvm.h"

/* What is wrong with a header VP_CONTEXT or its data, as the library judges; NULL: nothing. */
const char *igvm_vp_check(const Igvm *igvm, const IgvmHeader *header);

/* The VTL of a context of VSM that has been checked; -1: of another platform. */
int igvm_vp_vtl(const Igvm *igvm, const IgvmHeader *header);

/* The VMSAs that a file has for a platform. */
typedef struct IgvmVmsas {
        size_t n;
        uint64_t features, cr0; /* of the first one; 0: there is none */
} IgvmVmsas;

/*
 * Whether QEMU can give KVM the VP contexts of the platform (SEV-SNP, SEV-ES, native; others are
 * not examined) for a guest with this number of vCPUs (0: not known).
 *
 * ArtifactInvalid: VP contexts that are not those of vCPUs 0, 1, … in order, or are more than the
 * vCPUs; of native of another vCPU than 0; a VMSA that is not at VMSA_GPA, has values that QEMU
 * does not pass on (the error has their offset), or does not have the SEV_FEATURES of its platform.
 */
int igvm_check_vps(const Igvm *igvm, const char *name, const IgvmPlatform *platform, uint32_t cpus,
                   IgvmVmsas *ret, CvmError *error);
