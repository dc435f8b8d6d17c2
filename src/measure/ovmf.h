/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What an OVMF image says about itself: the table of GUIDed entries before its reset vector, the
 * SEV metadata to which one of them points, and the page of kernel hashes that QEMU fills for it.
 *
 * Sources: edk2, OvmfPkg/ResetVector/Ia16/ResetVectorVtf0.asm (table, its footer 32 bytes before
 * the end) and OvmfPkg/ResetVector/X64/OvmfSevMetadata.asm (sections); QEMU,
 * docs/specs/sev-guest-firmware (hash table location block, AP reset block) and target/i386/sev.c
 * (PaddedSevHashTable).
 */

#include "base/error.h"
#include "base/hash_pair.h"
#include "measure/bytes.h"
#include "measure/guid.h"

#define OVMF_SECTIONS_MAX 64
#define OVMF_MEMORY_MAX (256u << 20) /* bytes of all sections: they are of some KiB */
#define OVMF_PAGE_SIZE 4096

/* The data of an entry of the GUIDed table; borrowed from the file. */
typedef struct OvmfEntry {
        bool found;
        Bytes data;
} OvmfEntry;

/* ArtifactInvalid if there is no table or it is broken. An image without the entry: not found. */
int ovmf_find(Bytes file, const char *name, const Guid *guid, OvmfEntry *ret, CvmError *error);

/* Where a metadata block begins that an entry gives as a u32 distance from the file's end and that
 * has a u32 signature and at least `size` bytes. */
int ovmf_metadata(Bytes file, const char *name, const OvmfEntry *entry, const char *signature,
                  size_t size, size_t *ret_offset, CvmError *error);

typedef enum OvmfSectionType {
        OVMF_SECTION_SEC_MEMORY = 1,
        OVMF_SECTION_SECRETS = 2,
        OVMF_SECTION_CPUID = 3,
        OVMF_SECTION_SVSM_CAA = 4,
        OVMF_SECTION_KERNEL_HASHES = 0x10,
} OvmfSectionType;

typedef struct OvmfSection {
        uint32_t gpa, size; /* whole pages, not empty */
        OvmfSectionType type;
} OvmfSection;

typedef struct OvmfSev {
        OvmfSection sections[OVMF_SECTIONS_MAX]; /* in the table's order */
        size_t n_sections;
        uint32_t reset_eip;  /* where APs begin; 0: not given */
        uint32_t hashes_gpa; /* of the table of kernel hashes; 0: there is none */
} OvmfSev;

/* ArtifactInvalid: no SEV metadata, of another version, sections that are not whole pages, overlap
 * or are of an unknown type. */
int ovmf_parse_sev(Bytes file, const char *name, OvmfSev *ret, CvmError *error);

/* reset_eip and hashes_gpa alone: all that SEV and SEV-ES have of it. ArtifactInvalid if the table
 * of GUIDs is not there or broken. */
int ovmf_find_sev(Bytes file, const char *name, OvmfSev *ret, CvmError *error);

/* Whether the image accepts kernel hashes: it has a section for them, and the table's address is in
 * it. */
bool ovmf_takes_hashes(const OvmfSev *sev);

/* The three digests, in the order of the table. */
typedef struct OvmfHashes {
        HashDigest cmdline, initrd, kernel;
} OvmfHashes;

/* What QEMU hashes with kernel-hashes=on: the whole files (initrd NULL: none, of no bytes) and the
 * command line with its NUL. 0, -ENOMEM or -EIO. */
int ovmf_hash_kernel(const HashPairDigest *kernel, const HashPairDigest *initrd,
                     const char *cmdline, OvmfHashes *ret);

/* The page that holds the table: zeros but for the table at gpa's offset within a page. -ERANGE if
 * it does not fit behind that offset. */
int ovmf_hashes_page(uint32_t gpa, const OvmfHashes *hashes, uint8_t ret[static OVMF_PAGE_SIZE]);
