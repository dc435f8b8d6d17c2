/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What an IGVM file holds, platform by platform, for people and programs. */

#include <json-c/json.h>

#include "measure/igvm.h"

/*
 * {"version": 1, "size": 123, "headers": {"PAGE_DATA": 7, …},
 *  "notLoadable": [{"type": "0x309", "name": "MADT"}, …],
 *  "platforms": [{"platform": "sev-snp", "version", "highestVtl",
 *                 "mode" ("paravisor", "service" or "native"), "policy": "0x30000",
 *                 "pages": {"data", "zeros", "unmeasured", "secrets", "cpuid", "parameters",
 *                           "shared"},
 *                 "vmsas": 1, "lowest": "0x…", "highest": "0x…"}]}
 *
 * Pages are of 4 KiB. `notLoadable` are headers that the loader of QEMU 10.1 and 10.2 refuses: by
 * their types as in the file, with IGVM_OPTIONAL. NULL without memory.
 */
json_object *igvm_summary(const Igvm *igvm);

/* The headers that the loader of QEMU 10.1 and 10.2 refuses, each type once, as `notLoadable`
 * above. NULL without memory. */
json_object *igvm_not_loadable(const Igvm *igvm);
