/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The ID block within an IGVM file: header SNP_ID_BLOCK. A guest that boots from such a file has
 * its block there and nowhere else: QEMU takes none by an option besides it.
 *
 * Source: Rust crate igvm_defs, IGVM_VHS_SNP_ID_BLOCK: u32 compatibility mask, u8 author key
 * enabled, 3 reserved bytes, launch digest (48), family and image ID (16 each), u32 version, u32
 * guest SVN, u32 algorithm of the ID key, u32 of the author key, then of each key its signature (r
 * and s, 72 bytes each) and itself (u32 curve, u32 reserved, x and y, 72 bytes each), all numbers
 * little-endian. QEMU, backends/igvm.c: the block's version is 1, its policy that of the file's
 * last GUEST_POLICY (0 if there is none), a second block is refused.
 */

#include "measure/id_block.h"
#include "measure/igvm.h"
#include "measure/measurement.h"

#define IGVM_ID_BLOCK_SIZE 696

/* As QEMU hands it to the hardware. */
typedef struct IgvmIdBlock {
        IdBlock block;
        bool has_author;
        uint8_t auth[ID_AUTH_SIZE];
        size_t offset; /* of the header's body in the file */
} IgvmIdBlock;

/* The file's ID block for SEV-SNP. -ENOENT without an error: it has none. ArtifactInvalid: it has
 * several. */
int igvm_find_id_block(const Igvm *igvm, const char *name, IgvmIdBlock *ret, CvmError *error);

/* The launch digest that the hardware must find, if it is not one of the measurement's: the guest
 * cannot be launched then. 0 (no ID block, or it fits), 1 with the digest, or negative as above. */
int igvm_id_block_differs(const Igvm *igvm, const char *name, const Measurement *measurement,
                          HashDigest *ret, CvmError *error);

/*
 * The file with this ID block in the place of its own, or behind its last header: what is measured
 * stays the same. `auth` is of id_block_encode_auth(). All other bytes are those of the file, moved
 * if necessary; sizes, offsets and checksum are adjusted. `ret` is newly allocated.
 *
 * ArtifactInvalid: not for SEV-SNP, as igvm_find_id_block(), headers of unknown types, whose data
 * could not be moved, or too long. -ENOMEM.
 */
int igvm_sign(const Igvm *igvm, const char *name, const IdBlock *block,
              const uint8_t auth[static ID_AUTH_SIZE], bool has_author, uint8_t **ret,
              size_t *ret_size, CvmError *error);
