/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* From what a CVM was allotted to what a template renders: the one place where defaults that depend
 * on the daemon become values. Serves launch and render alike, so that both give the same plan. */

#include "launch/domain_inputs.h"
#include "launch/load.h"
#include "manager/manager.h"
#include "template/plan.h"

/* What is allotted; borrowed. */
typedef struct Allotment {
        const char *id;
        uid_t owner, uid; /* who launches it; that QEMU runs as, 0: as the daemon */
        uint32_t cpus;
        uint64_t memory;
        const SpecForward *forwards;
        size_t n_forwards;
        bool vsock; /* it has a CID: of the guest, or of its SVSM */
        uint32_t vsock_cid;
        uint32_t notify_port;
        const HostFacts *host; /* as it is now */
        const DiskFile *disks; /* of the spec's, in its order */
        bool no_passt;         /* libvirt has said that it has none */
} Allotment;

typedef struct PreparedInputs {
        PlanInputs inputs; /* borrows from the members below, the spec and the manager: the whole
                            * must stay where it is */
        char *qemu;
        char *sha256[_ARTIFACT_KIND_MAX];
        DomainInputs domain; /* of driver libvirt */
} PreparedInputs;

void prepared_inputs_done(PreparedInputs *prepared);

/* artifacts: by kind, NULL where there is none. A QEMU that cannot be found leaves its usual path
 * in the inputs; inputs_render() tells. */
int inputs_prepare(const Manager *manager, const Template *template, const CvmSpec *spec,
                   const Allotment *allotment, Artifact *const *artifacts, PreparedInputs *ret);

/* Renders, and adds to plan->missing what only the daemon can see: the QEMU binary and what it
 * lacks, the artifacts that failed to load, interfaces that the configuration does not allow. */
int inputs_render(const Manager *manager, const Template *template, const PreparedInputs *prepared,
                  const Loaded *loaded, LaunchPlan **ret, CvmError *error);
