/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What `cvmctl igvm` shows of a file's ID block. */

#include <json-c/json.h>

#include "base/error.h"
#include "measure/igvm.h"

/*
 * {"launchDigest", "predicted" (the file's own launch digest), "matches", "signature" ("valid", or
 * what is wrong with it), "idKeyDigest", "authorKeyDigest", "familyId", "imageId", "guestSvn",
 * "policy"}, without "predicted" and "matches" where the file cannot be measured. NULL: it has no
 * ID block for SEV-SNP. ArtifactInvalid as igvm_find_id_block().
 */
int igvm_id_block_json(const Igvm *igvm, const char *path, json_object **ret, CvmError *error);

/* The same for people, on standard output. */
void igvm_id_block_print(json_object *block);
