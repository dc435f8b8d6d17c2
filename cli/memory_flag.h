/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The value of --memory, the same for launch and measure. */

#include "arguments.h"

/* In bytes. A small number without a unit is refused: its unit was forgotten. Returns EXIT_OK, or
 * EXIT_USAGE, which it printed. */
ExitStatus memory_flag_parse(const Cli *cli, const char *text, uint64_t *ret);
