/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The steps of a CVM's last launch, in the order in which they began, with their times: what the
 * method Timeline returns, and what the record keeps of it. Changed by this module alone; which
 * steps there are is launch's. At most one step is in progress, the last.
 */

#include <json-c/json.h>

#include "base/macros.h"

#define VM_STAGES_MAX 64u     /* later ones are not kept */
#define VM_STAGE_NAME_MAX 15u /* lower-case letters */

typedef struct VmStage {
        char name[VM_STAGE_NAME_MAX + 1];
        int64_t at;   /* when it began: microseconds since the epoch */
        int64_t usec; /* how long it took; -1: it has not ended */
        bool failed; /* it ended by a failure: of the launch, or of this attempt if others follow */
} VmStage;

typedef struct VmStages {
        VmStage *items; /* owned */
        size_t n;
        uint64_t begun_nsec; /* the last one; uv_hrtime() */
} VmStages;

void vm_stages_done(VmStages *stages);
/* A new launch begins. */
void vm_stages_reset(VmStages *stages);
/* A step begins, or began at that uv_hrtime(). Without memory it is not kept. */
void vm_stages_begin(VmStages *stages, const char *name, uint64_t nsec);
/* The step in progress ended now; none: nothing happens. */
void vm_stages_end(VmStages *stages, bool failed);
/* The step in progress is not one of this launch. */
void vm_stages_drop(VmStages *stages);
/* When the last step of that name began, as `at`; 0: there is none. */
int64_t vm_stages_begun(const VmStages *stages, const char *name);
/* An array of the interface's type Stage. Newly allocated. */
json_object *vm_stages_to_json(const VmStages *stages);
/* The same from a record (NULL: an older cvmd wrote it); what is not as this module writes it ends
 * the array. */
void vm_stages_load(VmStages *stages, json_object *recorded);
