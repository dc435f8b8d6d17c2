/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * RTMR 1 to 3 of a TD after a `-kernel` boot through TDVF. RTMR 1 and 2 have the events of PCR 4
 * and 9 (efi_boot.h) and ExitBootServices; RTMR 3 is the workload's own.
 *
 * RTMR 0 is rtmr0.h's.
 */

#include "measure/efi_boot.h"

/* boot NULL: no kernel is named. Adds RTMR1, RTMR2 and RTMR3. 0, -ENOMEM or -EIO. */
int tdx_measure_boot(const EfiBoot *boot, Measurement *measurement);
