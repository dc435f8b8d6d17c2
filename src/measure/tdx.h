/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * RTMR 0 to 3 of a TD after a `-kernel` boot through TDVF. RTMR 1 and 2 have the events of PCR 4
 * and 9 (efi_boot.h) and ExitBootServices; RTMR 3 is the workload's own.
 *
 * Sources of RTMR 0 (edk2, OvmfPkg: TdxHelperLib for the TD HOB and configuration volume,
 * VariableAuth events of Secure Boot variables, AcpiPlatformDxe/QemuFwCfgAcpi.c for the tables that
 * QEMU makes; order as in event logs of live TDs): it needs the three files that QEMU gives the
 * firmware for ACPI.
 */

#include "measure/efi_boot.h"
#include "measure/tdvf.h"

/* boot NULL: no kernel is named. Adds RTMR1, RTMR2 and RTMR3. 0, -ENOMEM or -EIO. */
int tdx_measure_boot(const EfiBoot *boot, Measurement *measurement);
