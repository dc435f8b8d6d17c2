/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The physical address space that a machine of type q35 needs: memory, the region in which memory
 * could be plugged in, the window for 64-bit PCI BARs behind it, and with GPUs the greater one that
 * the firmware makes (variables.c, fragment "gpus").
 *
 * Sources: QEMU 7.2 to 11, hw/i386/pc.c (pc_memory_init, pc_get_device_memory_range,
 * pc_pci_hole64_start, the reserved range of HyperTransport), hw/i386/pc_q35.c (memory below 4
 * GiB), hw/pci-host/q35.c (pci-hole64-size); AMD, "I/O Virtualization Technology (IOMMU)
 * Specification", table 3 (addresses from FD_0000_0000h on); edk2, OvmfPkg PlatformInitLib (the
 * window's place).
 */

#include "host/host.h"

/* What each of QEMU's named CPU models has, and what TCG emulates. */
#define ADDRESS_BITS_DEFAULT 40u

typedef struct AddressNeeds {
        uint64_t memory, memory_max; /* bytes, of -m */
        uint64_t slots;              /* likewise; without meaning where memory is memory_max */
        bool amd;                    /* of the vCPUs: their range of HyperTransport is avoided */
        bool gpus;
} AddressNeeds;

/* The number of address bits that reach all of it; 64 if no address does. */
unsigned address_space_bits(const AddressNeeds *needs);
/* The last address that QEMU wants to reach: all but the window of GPUs. UINT64_MAX likewise. */
uint64_t address_space_last(const AddressNeeds *needs);
