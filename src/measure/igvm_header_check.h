/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Whether a single header of an IGVM file is sound. What several headers must have in common is
 * checked in igvm_check.h.
 *
 * Source: the rules are those of the Rust crate igvm (IgvmFile::new_from_binary), through which
 * QEMU reads these files: a file that it refuses cannot be launched. QEMU does not check where a
 * parameter is written: that a parameter lies within its area is checked here.
 */

#include "measure/igvm.h"

/* What is wrong with the header; NULL: nothing. Only for a header of a known type, after the
 * platforms and the parameter areas before it are in `igvm`. Static. */
const char *igvm_header_check(const Igvm *igvm, const IgvmHeader *header);
