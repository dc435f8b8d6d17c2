/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * TDX Virtual Firmware: the sections that its metadata name, and MRTD, the measurement of what they
 * put into a TD before it starts.
 *
 * Sources: Intel, "TDX Virtual Firmware Design Guide", section 11 (metadata descriptor, sections
 * and their attributes); edk2, OvmfPkg/ResetVector/X64/OvmfTdxMetadata.asm (found by a GUID,
 * ovmf.h); Intel, "TDX Module Base Architecture Specification", section "MRTD: Build-Time
 * Measurement Register" (the stream of TDH.MEM.PAGE.ADD and TDH.MR.EXTEND); QEMU,
 * target/i386/kvm/tdx.c (their order).
 */

#include "measure/measurement.h"
#include "measure/profile.h"

#define TDVF_SECTIONS_MAX 64
#define TDVF_PAGE_SIZE 4096
#define TDVF_MEMORY_MAX (256ull << 20) /* bytes of all sections: OVMF's are of some 16 MiB */

typedef enum TdvfSectionType {
        TDVF_BFV = 0, /* boot firmware volume: code */
        TDVF_CFV = 1, /* configuration firmware volume: variables */
        TDVF_TD_HOB = 2,
        TDVF_TEMP_MEM = 3,
        TDVF_PERM_MEM = 4,
        TDVF_PAYLOAD = 5,
        TDVF_PAYLOAD_PARAM = 6,
        TDVF_TD_INFO = 7,
} TdvfSectionType;

#define TDVF_MR_EXTEND 1u /* attribute: the contents are measured */
#define TDVF_PAGE_AUG 2u  /* attribute: added later, by the TD itself */

typedef struct TdvfSection {
        Bytes data;         /* borrowed from the file; the rest of the memory is zeros */
        uint64_t gpa, size; /* whole pages */
        uint32_t type;      /* TdvfSectionType, or one that is not known */
        uint32_t attributes;
} TdvfSection;

typedef struct Tdvf {
        TdvfSection sections[TDVF_SECTIONS_MAX]; /* in the table's order */
        size_t n_sections;
} Tdvf;

/* ArtifactInvalid: no TDX metadata, of another version, sections that are not whole pages, overlap,
 * are too large or lie outside the file. */
int tdvf_parse(Bytes file, const char *name, Tdvf *ret, CvmError *error);

/* Fills `reg` (SHA-384). order: not PROFILE_MRTD_UNKNOWN. 0, -ENOMEM or -EIO. */
int tdvf_measure(const Tdvf *tdvf, ProfileMrtd order, Register *reg);
