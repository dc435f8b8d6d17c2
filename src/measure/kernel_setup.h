/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The setup header of a kernel as QEMU changes it for `-kernel` before firmware reads it. What it
 * writes depends on the size of memory and of the initramfs, so PCR 4 and RTMR 1 then do too.
 *
 * Source: QEMU, hw/i386/x86-common.c (x86_load_linux); Linux, Documentation/arch/x86/boot.rst
 * (names and offsets of the header's fields). q35 machines, boot protocol 2.12 and newer.
 */

#include "base/error.h"
#include "measure/bytes.h"

typedef struct KernelSetup {
        Bytes kernel;
        const char *name; /* of the kernel, for errors */
        bool has_initrd;
        uint64_t initrd_size;
        const char *cmdline; /* "vga=" sets the video mode */
        uint64_t memory;     /* bytes, > 0 */
} KernelSetup;

/* A changed copy of the whole kernel, newly allocated. ArtifactInvalid: no bzImage, an initramfs
 * that does not fit below it; InvalidSpec of "cmdline": a vga= that QEMU refuses. */
int kernel_setup_patch(const KernelSetup *setup, uint8_t **ret, CvmError *error);
