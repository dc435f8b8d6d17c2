/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The checksum in an IGVM file's fixed header. */

#include "base/macros.h"

/* Offsets in the fixed header. */
#define IGVM_HEADERS_OFFSET_AT 8
#define IGVM_HEADERS_SIZE_AT 12
#define IGVM_FILE_SIZE_AT 16
#define IGVM_CHECKSUM_AT 20
#define IGVM_FIXED_SIZE_1 24 /* of format version 1 */
#define IGVM_FIXED_SIZE_2 32

/* Over fixed and variable headers, the checksum's own field taken as zeros. The file must have as
 * many as its fixed header says. */
uint32_t igvm_checksum(const uint8_t *file);
/* Writes it. */
void igvm_seal(uint8_t *file);
