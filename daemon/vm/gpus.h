/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * GPUs and other PCI devices that CVMs have for themselves, by address. Those that may be handed
 * out are in the configuration; a live CVM holds what its spec names, by its record, and no other
 * gets it.
 */

#include "host/host.h"
#include "template/plan.h"
#include "wire/peer.h"

typedef struct Config Config;
typedef struct Manager Manager;
typedef struct Vm Vm;

/* Gives the CVM, which has none, the GPUs of its spec. NoResources: "gpu:ADDRESS" is held. */
int gpus_hold(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer, CvmError *error);
/* What is lacking of each into plan->missing, and the groups' devices into plan->devices; looks at
 * the host below root. 0 or -ENOMEM. */
int gpus_check(const Config *config, const char *root, const CvmSpec *spec, LaunchPlan *plan);
/* From the record's redacted spec; false if that has what no spec can have. */
bool gpus_from_spec(Vm *vm);
