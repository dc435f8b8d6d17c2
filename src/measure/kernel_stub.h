/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the EFI stub of a kernel measures, as its code shows. The stub is the part of a bzImage that
 * is not compressed. For each thing that it measures it has a text, which goes to the event log,
 * and for each protocol by which it measures the protocol's GUID: as a constant of 16 bytes, or as
 * immediates of 8 or 4 bytes.
 *
 * Sources: Linux, drivers/firmware/efi/libstub (efi-stub-helper.c: "Linux initrd", tagged event
 * 0x8F3B22EC, from 5.17 on; "LOADED_IMAGE::LoadOptions", 0x8F3B22ED, from 6.1 on; the CC protocol
 * from 6.9 on) and Documentation/arch/x86/boot.rst (payload_offset, payload_length); TCG, "EFI
 * Protocol Specification", section 6 (GUID of TCG2); UEFI 2.10, section 38.2.1 (GUID of CC).
 */

#include "measure/bytes.h"

typedef struct KernelStub {
        bool initrd, options; /* it has the text of such an event */
        bool tcg2, cc;        /* it looks for the protocol */
} KernelStub;

/* Never fails: a file without such code measures nothing. */
KernelStub kernel_stub_read(Bytes kernel);
