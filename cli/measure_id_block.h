/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The ID block of an SEV-SNP guest, signed: --format snp-id-block and igvm. All return
 * EXIT_OK or the status of what they printed. */

#include "arguments.h"
#include "measure/measure.h"
#include "measure_format.h"

/* The fields of launchSecurity that make firmware start nothing else, as JSON. policy: the guest's,
 * NULL: not known, so that --policy is needed. */
ExitStatus measure_id_block(const Cli *cli, const MeasureFormatOptions *options,
                            const Measurement *measurement, const uint64_t *policy);

/* Writes the IGVM file that was measured to --output, with the ID block in it. "-" is standard
 * output; then what is printed of the block goes to standard error. */
ExitStatus measure_id_block_igvm(const Cli *cli, const MeasureFormatOptions *options,
                                 const MeasureInputs *inputs, const Measurement *measurement);
