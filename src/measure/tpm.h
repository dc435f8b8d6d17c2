/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * PCR 4 and PCR 9 of a vTPM after a `-kernel` boot through OVMF: the kernel, and its command line
 * with the initramfs. Sources: efi_boot.h; TPM 2.0 part 1, "PCR Operations".
 */

#include "measure/efi_boot.h"

/* Adds PCR4 and PCR9 in the SHA-256 and SHA-384 banks. boot NULL: no kernel is named. 0, -ENOMEM or
 * -EIO. */
int tpm_measure(const EfiBoot *boot, Measurement *measurement);
