/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What keeps guests from the host's own addresses.
 *
 * QEMU's own network and passt connect to where the guest wants to, as the CVM's uid. Without more,
 * a guest reaches what listens on 127.0.0.1 and on the host's other addresses for its own users
 * alone, and other CVMs' forwards. A daemon that is root keeps a table of nftables that refuses new
 * connections of CVMs' uids to the host itself, but for port 53, where the resolver may be. What
 * comes in by forwards is not new, and what leaves the host does not pass its loopback device.
 *
 * The table is named "cvmd", and "cvmd_" with a digest's first digits where the runtime directory
 * is not /run/cvmd, so that no daemon touches another's. It stays while CVMs run without a daemon.
 */

#include "base/macros.h"

typedef struct Manager Manager;
typedef struct Vm Vm;

typedef enum HostAccess {
        HOST_ACCESS_ALLOWED, /* by the configuration, or since the daemon is not root */
        HOST_ACCESS_DENIED,
        HOST_ACCESS_OPEN, /* should be denied; the log has said why it is not */
} HostAccess;

#define HOST_ACCESS_TABLE_MAX 16

/* Makes the table as the configuration wants it, or removes it. Waits for nft, for at most
 * HOST_ACCESS_MSEC. To be called when CVMs that were found again are known, and after a change of
 * the configuration. */
#define HOST_ACCESS_MSEC 2000
void host_access_apply(Manager *manager);
/* Says in the log and as an event of kind "note" that this CVM's guest reaches the host's own
 * addresses, though it should not. */
void host_access_remark(const Manager *manager, Vm *vm);
/* At the daemon's end: removes the table unless a CVM runs. */
void host_access_end(Manager *manager);
