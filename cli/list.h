/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The list of CVMs, for `list` and for `status` without a name. */

#include "arguments.h"

/* NULL: any. */
ExitStatus list_print(const Cli *cli, const char *state, const char *platform);
