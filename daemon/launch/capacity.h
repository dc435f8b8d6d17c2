/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a host has a limited number of: vCPUs by the configured measure, and the ASIDs and key IDs
 * of confidential guests as the kernel's misc controller counts them. A CVM that is being started
 * counts as not yet using its own; so two launches at the same time never both get the last one.
 */

#include "launch/admission.h"

/* Checks that one more CVM of this template with `cpus` vCPUs fits. facts: CPUs and pools, as they
 * are now. NoResources: cpus, sev-asids, sev-es-asids or tdx-keyids, with the CVMs that have them.
 * QuotaExceeded: the ASIDs or key IDs of one user (quota.h). */
int capacity_check(const Manager *manager, const HostFacts *facts, const Admission *admission,
                   uint32_t cpus, CvmError *error);
