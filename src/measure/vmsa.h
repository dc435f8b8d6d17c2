/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The save area (VMSA) of a vCPU as QEMU and KVM set it up for an SEV-SNP guest: it is measured.
 *
 * Sources: AMD64 Architecture Programmer's Manual volume 2, appendix B, table B-4 (offsets of the
 * save area for SEV-ES guests); the values at reset from volume 2, "Processor Initialization
 * State", and from what QEMU sets for an OVMF guest. Models' signatures: CPUID 1 EAX by AMD's
 * "CPUID Specification" from the family, model and stepping of QEMU's model of that name.
 */

#include "base/error.h"
#include "measure/bytes.h"

#define VMSA_SIZE 4096
#define VMSA_GPA 0xfffffffff000ull /* where KVM puts every VMSA; it is measured too */
#define VMSA_BSP_EIP 0xfffffff0u
#define VMSA_FEATURE_SNP 0x1u
#define VMSA_FEATURE_DEBUG_SWAP 0x20u
#define VMSA_CPU_MODEL_DEFAULT "EPYC-v4"

typedef struct VmsaState {
        uint32_t eip;           /* VMSA_BSP_EIP, or the AP reset address that the firmware gives */
        uint32_t cpu_signature; /* CPUID 1 EAX, in rdx at reset */
        uint64_t features;      /* SEV_FEATURES */
} VmsaState;

void vmsa_fill(const VmsaState *state, uint8_t ret[static VMSA_SIZE]);

/* A QEMU CPU model ("EPYC-Milan", "EPYC-v4") or a signature as 0x800f12. -EINVAL for any other. */
int vmsa_cpu_signature(const char *model, uint32_t *ret);
/* The names that it knows, comma-separated; static. */
const char *vmsa_cpu_models(void);
