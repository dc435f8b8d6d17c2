/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The list of CVMs, for `list` and for `status` without a name. */

#include "arguments.h"

/* NULL: any. Returns an exit code. */
int list_print(const Arguments *arguments, const char *state, const char *platform);
