/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether the headers of an IGVM file fit together: the order of their sections, one platform of a
 * type, parameter areas that are there and are inserted once, relocations that a VP context has.
 *
 * Source: the Rust crate igvm, IgvmFile::validate_platform_headers() and those that follow it.
 */

#include "measure/igvm.h"

/* Fills the platforms and areas of `igvm`, of which the fixed header has been read. Headers of
 * unknown types, and those with IGVM_OPTIONAL, are counted only. ArtifactInvalid with the header's
 * type and offset in the file. */
int igvm_check_headers(Igvm *igvm, const char *name, CvmError *error);

/* ArtifactInvalid if there is a header of an unknown type or with IGVM_OPTIONAL: QEMU's library
 * refuses the whole file then. */
int igvm_check_known(const Igvm *igvm, const char *name, CvmError *error);
