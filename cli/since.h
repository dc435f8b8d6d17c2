/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A point in the past, as --since has it. */

#include "arguments.h"

/*
 * text: a duration before now, as an option of times has it ("90s", "5m", "1h30m"), or a local time
 * "[YYYY-MM-DD ]HH:MM[:SS]" (without a date: of today; 'T' may stand for the blank, and "Z" at the
 * end means UTC), "YYYY-MM-DD", or "@SECONDS" since the epoch. *ret: in microseconds since the
 * epoch. Returns EXIT_OK, or the status of the refusal that it printed.
 */
ExitStatus since_parse(const Cli *cli, const char *text, int64_t *ret);
