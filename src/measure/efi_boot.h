/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What firmware and the kernel's EFI stub measure of a `-kernel` boot, wherever it goes: PCR 4 and
 * 9 of a TPM, RTMR 1 and 2 of a TD. PCR n of a TPM goes to RTMR (n = 1, 7: 0; 2–6: 1; 8–15: 2).
 *
 * Sources: TCG, "PC Client Platform Firmware Profile", section 3.3.4 (PCR usage: 4 and 9)
 * and 10.4.4 (strings of EV_EFI_ACTION); UEFI 2.10, section 38.4.1 (PCRs and MRs of the CC
 * protocol); edk2, OvmfPkg QemuLoadImageLib (load options); Linux, drivers/firmware/efi/libstub
 * (efi_measure_tagged_event of load options and initrd).
 */

#include "measure/kernel_setup.h"
#include "measure/measurement.h"
#include "measure/pe.h"
#include "measure/profile.h"

#define EFI_CMDLINE_MAX 2047 /* COMMAND_LINE_SIZE of x86 Linux less its NUL */

typedef struct EfiBoot {
        KernelSetup setup;
        const HashPairDigest *initrd; /* of the whole file; NULL: none is given */
        const Profile *profile;
        PeImage image;    /* of the kernel that the firmware sees */
        uint8_t *patched; /* owned; NULL: the raw file is what it sees */
} EfiBoot;

/* InvalidSpec of "cmdline": not ASCII (the guest encodes such text twice) or too long. */
int efi_boot_check_cmdline(const char *cmdline, CvmError *error);

/* Reads the kernel, which must be given. Where the profile does not say which bytes the firmware
 * sees, efi_boot_kernel_known() is false after. setup->memory 0 (unknown) does not matter for a raw
 * one. */
int efi_boot_init(const KernelSetup *setup, const HashPairDigest *initrd, const Profile *profile,
                  EfiBoot *ret, CvmError *error);
void efi_boot_done(EfiBoot *boot);
/* NULL, or why the kernel's digest is not known; sets ret_state then. */
const char *efi_boot_kernel_unknown(const EfiBoot *boot, MeasurementState *ret_state);

/* Extends with the kernel's image and with the action "Calling EFI Application from Boot Option".
 * 0, -ENOMEM or -EIO. */
int efi_boot_extend_kernel(const EfiBoot *boot, Register *reg);
int efi_boot_extend_action(Register *reg);
int efi_boot_extend_separator(Register *reg);
int efi_boot_extend_exit(Register *reg); /* both "Exit Boot Services" actions */

/* Fills a register that has load options and initrd only: PCR 9, RTMR 2; as much of them as the
 * kernel's stub measures. Without a command line it is "not given"; with an initrd and an unknown
 * profile "not predictable". */
int efi_boot_measure_options(const EfiBoot *boot, Register *reg);
