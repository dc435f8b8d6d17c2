/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * A measurement as JSON: what `cvmctl measure --json` prints, the daemon keeps in a CVM's record
 * and method Measure of io.cvmd.Manager returns. The schema is in cvm-measure(7).
 */

#include "measure/measurement.h"

/* method NULL: it is not known. NULL without memory. */
json_object *measurement_to_json(const Measurement *measurement, const char *platform,
                                 const char *method);

/* Back again; the result keeps a reference to the document, whose names it borrows. -EBADMSG: it is
 * not a valid document (*ret_member: the invalid member, static); -ENOMEM. */
int measurement_from_json(json_object *document, Measurement **ret, const char **ret_member);
