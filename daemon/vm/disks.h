/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Which CVM has which disk. A disk that one live CVM may write to is reserved for it, and others
 * may not even read it; any number may read one that none writes. What a CVM has is on its record,
 * so that a restarted daemon knows.
 */

#include <json-c/json.h>

#include "artifact/disk.h"

typedef struct DiskHold {
        DiskIdentity identity;
        bool writable;
} DiskHold;

/* Whether they are of the same disk, and one of them is for writing. */
bool disk_holds_conflict(const DiskHold *a, const DiskHold *b);
/* Which of n disks another program holds a lock on, by what QEMU says of it; -1: none, or it says
 * something else. */
int disks_find_locked(const char *log, size_t n);
/* For the record. */
json_object *disks_to_json(const DiskHold *disks, size_t n);
/* False if the array is none or has what disks_to_json() does not write. NULL: no disks. */
bool disks_from_json(json_object *array, DiskHold **ret, size_t *ret_n);
