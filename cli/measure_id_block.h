/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The ID block of an SEV-SNP guest, signed: --format snp-id-block and igvm. All return 0 or the
 * exit code of what they printed. */

#include "arguments.h"
#include "measure/measure.h"

/* The fields of launchSecurity that make firmware start nothing else, as JSON. policy: the guest's,
 * NULL: not known, so that --policy is needed. */
int measure_id_block(const Arguments *arguments, const Measurement *measurement,
                     const uint64_t *policy);

/* Writes the IGVM file that was measured to --output, with the ID block in it. */
int measure_signed_igvm(const Arguments *arguments, const MeasureInputs *inputs,
                        const Measurement *measurement);
