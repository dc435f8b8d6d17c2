/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The members that an expectation may have, at each level: a misspelt member would expect nothing.
 * The members of what `cvmctl measure --json` prints and of a Cvm are all allowed, also those that
 * do not concern an attestation.
 */

#include <json-c/json.h>

#include "base/error.h"

/* For a document written by hand: InvalidSpec with the unknown member and the nearest known one.
 * expectation_parse() checks types. */
int expectation_check_members(json_object *json, CvmError *error);
