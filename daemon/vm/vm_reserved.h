/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What no two live CVMs may have: QEMU's uid, host ports, a vsock CID, disks and GPUs.
 *
 * launch/reserve.h decides who gets what; it alone and this module change a VmReserved. Most of it
 * stays with the CVM to the end, for its record; vm_reserved_drop_holds() releases what
 * reserves ports and CID in the kernel, to the hypervisor or for good.
 */

#include <json-c/json.h>
#include <sys/types.h>

#include "artifact/disk.h"
#include "local/ports.h"
#include "spec/spec.h"

/* A disk that one live CVM may write to is reserved for it, and others may not even read it; any
 * number may read one that none writes. The record names them, so that a later daemon knows. */
typedef struct DiskHold {
        DiskIdentity identity;
        bool writable;
} DiskHold;

typedef struct VmReserved {
        uid_t uid; /* that its QEMU runs as, with a group of the same number; 0: the daemon's own */
        uint32_t vsock_cid; /* 0: none */
        int vsock_fd;       /* /dev/vhost-vsock that holds the CID until QEMU has it, or -1 */
        bool vsock_is_real; /* it was held so once: the host has vhost-vsock */
        SpecForward *forwards;
        PortHold *holds; /* one a forward; released once QEMU has the port */
        size_t n_forwards;
        DiskHold *disks;
        size_t n_disks;
        char *gpus[SPEC_GPUS_MAX]; /* PCI addresses; owned */
        size_t n_gpus;
} VmReserved;

void vm_reserved_init(VmReserved *reserved);
void vm_reserved_done(VmReserved *reserved);
/* Copies the forwards, of which no port is reserved yet. To be called once. 0 or -ENOMEM. */
int vm_reserved_set_forwards(VmReserved *reserved, const SpecForward *forwards, size_t n);
/* Takes the holds, in place of those of the previous launch. */
void vm_reserved_set_disks(VmReserved *reserved, DiskHold *holds, size_t n);
/* Takes fd, which holds the CID, or -1 on a host without vhost-vsock. */
void vm_reserved_hold_cid(VmReserved *reserved, int fd);
/* Copies the address; at most SPEC_GPUS_MAX. 0 or -ENOMEM. */
int vm_reserved_add_gpu(VmReserved *reserved, const char *address);
bool vm_reserved_has_gpu(const VmReserved *reserved, const char *address);
/* Releases the kernel's reservations of ports and CID, which the hypervisor has or takes now. */
void vm_reserved_drop_holds(VmReserved *reserved);
/* Reserves what a record has: the uid, the CID, and the GPUs of its redacted spec. Returns false if
 * that spec has what no spec can have. */
bool vm_reserved_load(VmReserved *reserved, json_object *record);

/* Whether both are of the same disk, and at least one of them is for writing. */
bool disk_holds_conflict(const DiskHold *a, const DiskHold *b);
/* For the record. */
json_object *disk_holds_to_json(const DiskHold *disks, size_t n);
/* Returns false if `array` is not an array, or has what disk_holds_to_json() does not write. NULL:
 * no disks. */
bool disk_holds_from_json(json_object *array, DiskHold **ret, size_t *ret_n);
