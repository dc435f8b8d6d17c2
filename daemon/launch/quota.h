/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much one user may have: live CVMs, and their memory, their vCPUs, the host ports in the range
 * of automatic ones (also those that a spec names), and the ASIDs and key IDs. Root and
 * administrators are exempt; how many CVMs the daemon has in all binds them, too.
 */

#include "launch/load.h"
#include "manager/manager.h"

typedef struct QuotaWish {
        uint64_t memory; /* bytes */
        uint32_t cpus;
        size_t ports; /* quota_ports() of it */
} QuotaWish;

/* The uid to which what this one has is counted (subuids.h). */
uid_t quota_account(const Manager *manager, uid_t uid);

/* How many of the CVM's forwards have, or will be given, a port of the configured range. */
size_t quota_ports(const Config *config, const Vm *vm);

/* Whether the peer may have one more CVM of this size: 0, or QuotaExceeded. */
int quota_check(const Manager *manager, const WirePeer *peer, const QuotaWish *wish,
                CvmError *error);

/* Whether a user who has `used` of a pool's `capacity` ASIDs or key IDs may have one more,
 * likewise. `resource` as in NoResources. */
int quota_check_pool(const Manager *manager, const WirePeer *peer, const char *resource,
                     uint64_t capacity, uint64_t used, CvmError *error);

/* What this user may load: the ledgers and their bounds. */
void quota_bound_load(const Manager *manager, const WirePeer *peer, LoadSource *source);
/* Counts env and certs of what is loaded to the CVM's owner, before they are written. */
int quota_take_secrets(const Manager *manager, Vm *vm, const WirePeer *peer, const CvmSpec *spec,
                       Loaded *loaded, CvmError *error);
