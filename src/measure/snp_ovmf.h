/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The launch digest of an SEV-SNP guest that QEMU starts with OVMF (-bios): the firmware's pages
 * below 4 GiB, the sections of its SEV metadata in their order, one VMSA a vCPU.
 *
 * Source: QEMU, target/i386/sev.c (sev_snp_launch_update_*, snp_populate_metadata_pages); Linux,
 * arch/x86/kvm/svm/sev.c (snp_launch_update_vmsa: every vCPU's VMSA, in their order, last).
 */

#include "measure/measurement.h"
#include "measure/ovmf.h"
#include "measure/snp.h"
#include "measure/vmsa.h"

typedef struct SnpOvmf {
        Bytes firmware;
        const char *name;         /* of the firmware, for errors */
        const OvmfHashes *hashes; /* NULL: started without kernel hashes */
        uint32_t cpus;            /* > 0 */
        uint32_t cpu_signature;
        uint64_t features;
} SnpOvmf;

/* The sections and VMSAs, on top of the firmware's pages: `digest` holds the digest of these. Split
 * off for what publishes that digest instead of the firmware. */
int snp_ovmf_add(SnpDigest *digest, const OvmfSev *sev, const SnpOvmf *input, Register *reg);

/* Fills `reg` (SHA-384, of zeros). ArtifactInvalid: no SEV metadata, kernel hashes for firmware
 * that takes none, several vCPUs and no AP reset address. */
int snp_ovmf_measure(const SnpOvmf *input, Register *reg, CvmError *error);
