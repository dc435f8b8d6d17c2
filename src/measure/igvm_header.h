/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The types of headers of an IGVM file. Whether a single header is sound says igvm_header_check.h.
 *
 * Source: igvm_defs (IgvmVariableHeaderType and the IGVM_VHS_ structures).
 */

#include "measure/igvm.h"

/* Whether headers of that type have a compatibility mask, and that of the header. */
bool igvm_header_mask(const IgvmHeader *header, uint32_t *ret);

/* Whether the header writes a parameter into an area: *ret is the area's index. */
bool igvm_header_parameter(const IgvmHeader *header, uint32_t *ret);

/* The least number of bytes that the header's parameter takes of its area; 0 if the header writes
 * none. */
uint16_t igvm_header_parameter_size(const IgvmHeader *header);

/* Whether the header's type is known and its body is as long as that type's. */
bool igvm_header_has_length(const IgvmHeader *header);

/* A type that the format defines, without IGVM_OPTIONAL: QEMU's library refuses all others. */
bool igvm_header_is_known(const IgvmHeader *header);

/* Platforms come first (0), then what initializes (1), then directives (2). */
unsigned igvm_header_section(uint32_t type);

/* ArtifactInvalid that names a header: its type and where it is in the file. */
int igvm_header_refuse(const IgvmHeader *header, const char *name, CvmError *error,
                       const char *reason);
