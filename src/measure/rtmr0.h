/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * RTMR 0 of a TD: what the firmware measures of the machine that QEMU made: the TD hand-off block,
 * variables, ACPI tables, boot options. It takes the three files that QEMU gives the firmware for
 * ACPI.
 *
 * Sources: UEFI Platform Initialization specification, volume 3, chapter 5 (hand-off blocks); TCG,
 * PC Client Platform Firmware Profile, 10.2.6 (UEFI_VARIABLE_DATA); edk2, OvmfPkg (TdxHelperLib: TD
 * HOB and CFV; AcpiPlatformDxe/QemuFwCfgAcpi.c: the tables). The order of the events and the boot
 * option of edk2-stable202408 to 202502 are those of a live TD's event log; of other versions none
 * is known here.
 */

#include "measure/tdvf.h"

#define RTMR0_EDK2_FIRST 202408
#define RTMR0_EDK2_LAST 202502

/* etc/table-loader, etc/acpi/rsdp and etc/acpi/tables of QEMU's fw_cfg, whole. */
typedef struct AcpiFiles {
        Bytes loader, rsdp, tables;
} AcpiFiles;

/* Fills `reg`, or states in it why it cannot be predicted: other firmware, variables that are set
 * (Secure Boot), boot options that the profile does not have. memory must be greater than 0.
 * Returns 0, -ENOMEM or -EIO. */
int rtmr0_measure(const Tdvf *tdvf, const Profile *profile, const AcpiFiles *acpi, uint64_t memory,
                  Register *reg);
