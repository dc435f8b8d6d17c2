/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The hash of a PE image as firmware measures it when it starts one: what of a kernel is in PCR 4
 * and RTMR 1.
 *
 * Source: Microsoft's "PE Format" (optional header, data directories, section table) and "Windows
 * Authenticode Portable Executable Signature Format", "Calculating the PE Image Hash", as edk2
 * carries it out (DxeTpm2MeasureBootLib, TdTcg2Dxe): in the order of the file's bytes the headers
 * without checksum and certificate directory entry, the sections by PointerToRawData, then what
 * follows them up to the certificates. edk2 does not pad the end to 8 bytes.
 */

#include "base/error.h"
#include "base/hash.h"
#include "measure/bytes.h"

#define PE_SECTIONS_MAX 96 /* PE Format: what the Windows loader takes at most */

/* A piece of the file that is hashed. */
typedef struct PeRange {
        uint32_t offset, size;
} PeRange;

typedef struct PeImage {
        Bytes file;                          /* borrowed */
        PeRange ranges[PE_SECTIONS_MAX + 4]; /* in the order of hashing */
        size_t n_ranges;
} PeImage;

/* ArtifactInvalid, naming `name`: no PE image, or one whose headers point outside the file. */
int pe_parse(Bytes file, const char *name, PeImage *ret, CvmError *error);

/* 0, -ENOMEM or -EIO. */
int pe_hash(const PeImage *image, HashAlgorithm algorithm, HashDigest *ret);
