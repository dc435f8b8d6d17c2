/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What no two live CVMs may have: QEMU's uid, host ports, vsock CIDs, GPUs and disks. Each function
 * gives one CVM what its spec asks for, or refuses with NoResources, which names the CVMs that have
 * it. What is reserved is released with the CVM (vm_release()), and noted in its record.
 */

#include "artifact/disk.h"
#include "manager/manager.h"

/* The uid that its QEMU runs as. */
int reserve_uid(Manager *manager, Vm *vm, CvmError *error);
/* wanted 0: any free CID of the configured range. A host without vhost-vsock leaves
 * vm->reserved.vsock_fd at -1. */
int reserve_cid(Manager *manager, Vm *vm, uint32_t wanted, const WirePeer *peer, CvmError *error);
/* Ports that the spec left open are chosen again; those given stay. */
int reserve_ports(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                  CvmError *error);
/* Likewise once a hypervisor has lost one: it has had the CID, too, if it takes that by itself. */
int reserve_other_ports(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                        CvmError *error);
/* The i-th of them alone. */
int reserve_port(Manager *manager, Vm *vm, const CvmSpec *spec, size_t i, const WirePeer *peer,
                 CvmError *error);
/* Whether no other live CVM has that GPU. NoResources: "gpu:ADDRESS". */
int reserve_gpu_check(Manager *manager, const Vm *vm, const char *address, const WirePeer *peer,
                      CvmError *error);
/* The GPUs of its spec, for a CVM that has none. Likewise. */
int reserve_gpus(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                 CvmError *error);
/* The disks of its spec; files are borrowed, in the spec's order. NoResources: "disk:ID";
 * InvalidSpec: the spec names one twice. */
int reserve_disks(Manager *manager, Vm *vm, const CvmSpec *spec, const DiskFile *files,
                  const WirePeer *peer, CvmError *error);
/* Reserves what a restarting CVM has lost: the same CID and ports. A port that the spec left open
 * may change; spec NULL: no port may change. */
int reserve_again(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer,
                  CvmError *error);
