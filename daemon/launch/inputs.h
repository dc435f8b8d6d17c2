/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From what a CVM was allotted to what a template renders: the one place where defaults that depend
 * on the daemon become values. Serves launch and render alike, so that both give the same plan. */

#include "launch/domain_inputs.h"
#include "launch/load.h"
#include "manager/manager.h"
#include "template/plan.h"

typedef struct PreparedInputs {
        PlanInputs inputs; /* borrows from the members below, the spec and the manager: the whole
                            * must stay where it is */
        char *qemu;
        char *sha256[_ARTIFACT_KIND_MAX];
        DomainInputs domain; /* of a driver that runs one */
} PreparedInputs;

void prepared_inputs_done(PreparedInputs *prepared);

/* loaded: host, disks and driver as they are now. artifacts: by kind, NULL if there is none. If no
 * QEMU is found, the inputs have its usual path, and inputs_render() reports it. */
int inputs_prepare(const Manager *manager, const CvmSpec *spec, const Allotment *allotment,
                   const Loaded *loaded, Artifact *const *artifacts, PreparedInputs *ret);

/* Renders, and adds to plan->missing what only the daemon can see: the QEMU binary and what it
 * lacks, the artifacts that failed to load, interfaces that the configuration does not allow. */
int inputs_render(const Manager *manager, const Allotment *allotment,
                  const PreparedInputs *prepared, const Loaded *loaded, LaunchPlan **ret,
                  CvmError *error);
