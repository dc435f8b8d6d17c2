/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The forms of a measurement other than text and JSON: which options go with which, and --format
 * corim. */

#include "arguments.h"
#include "measure/measurement.h"
#include "measure/signing_key.h"

/* The key in a PEM file of --OPTION; NULL where it was not given. All return 0 or the exit code of
 * what they printed. */
int measure_key_load(const Arguments *arguments, const char *option, unsigned curves,
                     SigningKey **ret);

/* Whether the options go together. */
int measure_format_check(const Arguments *arguments);

/* CoRIM on standard output, signed with --key; what it leaves out goes to standard error. */
int measure_corim(const Arguments *arguments, const Measurement *measurement);
