/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which CVM has which disk. A disk that one live CVM may write is no other's, not even to read; any
 * number may read one that none writes. What a CVM has is on its record, so that a restarted daemon
 * knows.
 */

#include <json-c/json.h>

#include "artifact/disk.h"
#include "wire/peer.h"

typedef struct Manager Manager;
typedef struct Vm Vm;

typedef struct DiskHold {
        DiskIdentity identity;
        bool writable;
} DiskHold;

/* Gives the CVM, which has none, the disks of its spec; files are borrowed. NoResources: "disk:ID"
 * is held; InvalidSpec: the spec names one twice. */
int disks_hold(Manager *manager, Vm *vm, const CvmSpec *spec, const DiskFile *files,
               const WirePeer *peer, CvmError *error);
/* Which of n disks another program holds a lock on, by what QEMU says of it; -1: none, or it says
 * something else. */
int disks_find_locked(const char *log, size_t n);
/* For the record. */
json_object *disks_to_json(const Vm *vm);
/* False if the array is none or has what disks_to_json() does not write. NULL: no disks. */
bool disks_from_json(Vm *vm, json_object *array);
