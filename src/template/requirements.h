/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a launch requires of host, QEMU and artifacts. */

#include "template/walk.h"

/* All that a launch of these inputs lacks, into walk->plan->missing; InvalidSpec for what the
 * platform does not take. */
int requirements_check(Walk *walk, const PlanInputs *inputs);
