/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Whether the GPUs that a spec names may be handed out, by the configuration and by the host. */

#include "local/config.h"
#include "template/plan.h"

/* What is lacking of each into plan->missing, and the groups' devices into plan->devices; looks at
 * the host below root. 0 or -ENOMEM. */
int gpu_access_check(const Config *config, const char *root, const CvmSpec *spec, LaunchPlan *plan);
