/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the code of the guest's firmware within an IGVM file shows of its version. */

#include "measure/firmware.h"
#include "measure/igvm.h"

/* Looks at the pages of the platform with that mask: what lies in a row in memory and in the file
 * is one piece. As firmware_read_code(); -ENOENT also if several pieces have code that differs, or
 * if the code's pages do not lie in a row. */
int igvm_read_code(const Igvm *igvm, uint32_t mask, FirmwareCode *ret);
