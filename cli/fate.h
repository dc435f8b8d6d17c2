/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How a CVM ended, as `run` tells it: one table, the one in cvmctl(1). */

#include "verb.h"

/* The exit code of a reason of the interface's type Ending; CLI_FAILED for one that is unknown.
 * failed: the CVM's state is `failed`, which a good end becomes where its restarts were given up.
 */
ExitCode fate_exit_code(const char *reason, bool failed);
