/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * How much one user may have: CVMs, ended ones included, and the memory and vCPUs of live ones.
 * Root and administrators are exempt; how many CVMs the daemon has in all binds them, too.
 */

#include "manager.h"

typedef struct QuotaWish {
        uint64_t memory; /* bytes */
        uint32_t cpus;
        const Vm *replaced; /* that would go, or NULL */
} QuotaWish;

/* Whether the peer may have one more CVM of this size: 0, or QuotaExceeded. */
int quota_check(const Manager *manager, const WirePeer *peer, const QuotaWish *wish,
                CvmError *error);
