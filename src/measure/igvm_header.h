/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The types of headers of an IGVM file, and whether a single header is sound. What several headers
 * must have in common is checked in igvm_check.h.
 *
 * Source: igvm_defs (IgvmVariableHeaderType and the IGVM_VHS_ structures); the rules are those of
 * the Rust crate igvm (IgvmFile::new_from_binary), through which QEMU reads these files: a file
 * that it refuses cannot be launched. QEMU does not check where a parameter is written: that a
 * parameter lies within its area is checked here.
 */

#include "measure/igvm.h"

/* What is wrong with the header; NULL: nothing. Only for a header of a known type, after the
 * platforms and the parameter areas before it are in `igvm`. Static. */
const char *igvm_header_check(const Igvm *igvm, const IgvmHeader *header);

/* Whether headers of that type have a compatibility mask, and that of the header. */
bool igvm_header_mask(const IgvmHeader *header, uint32_t *ret);

/* Whether the header writes a parameter into an area: *ret is the area's index. */
bool igvm_header_parameter(const IgvmHeader *header, uint32_t *ret);

/* A type that the format defines, without IGVM_OPTIONAL: QEMU's library refuses all others. */
bool igvm_header_is_known(const IgvmHeader *header);

/* Platforms come first (0), then what initializes (1), then directives (2). */
unsigned igvm_header_section(uint32_t type);
