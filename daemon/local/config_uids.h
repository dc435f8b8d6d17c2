/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Which uids the QEMUs of a daemon get if its configuration does not say. */

#include "local/config.h"

/* Moves the default range, which is the usual state directory's, to the one of the directory
 * `state`: one of 1000 ranges behind it, chosen by a hash of the directory's canonical path. NULL
 * stands for the usual directory. Returns 0, -ENOMEM or -EIO. */
int config_choose_uids(Config *config, const char *state);
