/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a launch requires of host, QEMU and artifacts. */

#include "template/walk.h"

/* All that a launch of these inputs lacks, into walk->plan->missing; InvalidSpec with all that
 * the platform does not accept, after which nothing is said about the host. */
int requirements_check(Walk *walk, const PlanInputs *inputs);
