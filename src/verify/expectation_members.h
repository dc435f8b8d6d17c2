/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The members that an expectation may have, at each level: whoever misspells one expects nothing by
 * it. The members of what `cvmctl measure --json` prints and of a Cvm are all allowed, also those
 * that say nothing of an attestation.
 */

#include <json-c/json.h>

#include "base/error.h"

/* For a document that somebody wrote: InvalidSpec with the member that is not known, and the
 * nearest one that is. What has the wrong type is left to expectation_parse(). */
int expectation_check_members(json_object *json, CvmError *error);
