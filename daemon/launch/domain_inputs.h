/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the domain of a CVM names by path: where the daemon keeps, or would keep, each. Makes
 * nothing. */

#include "manager/manager.h"
#include "template/plan.h"
#include "vm/allotment.h"

typedef struct DomainInputs {
        PlanDomain domain; /* borrows from the rest */
        char *artifacts[_ARTIFACT_KIND_MAX], *env_share, *certs_share, *console, *notify;
        char *companions, *spec_sha256;
} DomainInputs;

/* sha256: of the artifacts, hex, NULL if there is none or it is not known. Returns 0 or -ENOMEM. */
int domain_inputs_init(DomainInputs *inputs, const Manager *manager, const CvmSpec *spec,
                       const Allotment *allotment, char *const sha256[_ARTIFACT_KIND_MAX]);
void domain_inputs_done(DomainInputs *inputs);
