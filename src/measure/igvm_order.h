/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The order in which QEMU gives the contents of an IGVM file to KVM, which is that in which they
 * are measured. It is not that of the file.
 *
 * Source: QEMU, backends/igvm.c, qigvm_process_mem_page(): a run of pages is collected, and sent
 * when a page does not continue it or the file ends. Parameter areas are sent at once. A page
 * continues the run if the directive right before it (of any type and for any platform) is the
 * run's last page, flags, data type and mask are the same, it follows in memory, and both or
 * neither have data. The library drops headers with a mask of 0, which do not count. KVM takes VP
 * contexts when everything else is done, wherever they stand in the file.
 */

#include "measure/igvm.h"

/* Gets PAGE_DATA, PARAMETER_INSERT and VP_CONTEXT headers of the platform, in that order. Anything
 * but 0 ends the walk. */
typedef int (*IgvmVisit)(void *userdata, const IgvmHeader *header);

/* What the last call of visit returned; 0: none failed. */
int igvm_visit_in_order(const Igvm *igvm, uint32_t mask, IgvmVisit visit, void *userdata);
