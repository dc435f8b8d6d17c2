/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the code of an OVMF image shows about its version. The code is in a firmware volume that is
 * compressed with LZMA; literals in it identify the version.
 *
 * Sources: UEFI Platform Initialization specification, volume 3, section 3.2.5 (GUID-defined
 * section); edk2, MdeModulePkg LzmaCustomDecompressLib (the GUID; the data are an .lzma stream),
 * OvmfPkg QemuKernelLoaderFsDxe and QemuLoadImageLib (the literals).
 */

#include "measure/bytes.h"

#define FIRMWARE_CODE_MAX (64u << 20) /* bytes unpacked; OVMF's are of some 16 MiB */

typedef struct FirmwareCode {
        uint32_t version;    /* 202508 of a version string "2025.08-…"; 0: none, or several */
        bool options_suffix; /* has the literal " initrd=initrd" */
        bool options_prefix; /* has the literal "initrd=initrd " */
        bool raw_kernel;     /* asks QEMU for the unchanged kernel */
} FirmwareCode;

/* -ENOENT: no compressed volume; -EBADMSG: one that cannot be unpacked; -ENOMEM. */
int firmware_read_code(Bytes firmware, FirmwareCode *ret);
