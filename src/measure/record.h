/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The registers of a CVM as its record and the interface's Cvm.measurement have them: an object of
 * name to lowercase hex, PCRs by bank ("PCR4-sha256"), without those that have no value.
 */

#include "measure/measurement.h"

/* NULL without memory. */
json_object *record_from_measurement(const Measurement *measurement);

/* The registers of such an object, without events, inputs and profile. -EBADMSG: it has a name that
 * is not known here, or a value that is not a digest (*ret_name, borrowed from it, says which);
 * -ENOMEM. */
int record_to_measurement(json_object *record, Measurement **ret, const char **ret_name);
