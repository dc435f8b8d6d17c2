/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Where the pages of an IGVM file go for one platform: a loader that is to fill the same page twice
 * fails, or keeps only the later content. */

#include "measure/igvm.h"

#define IGVM_MEMORY_MAX                                                                            \
        (1ull << 30) /* bytes that a file fills: an SVSM with OVMF is of some 16 MiB */

/* ArtifactInvalid if two pages or inserted areas overlap, or are too many. */
int igvm_check_overlap(const Igvm *igvm, const char *name, uint32_t mask, CvmError *error);
