/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Who is at the other end of a connection: SO_PEERCRED and SO_PEERGROUPS (socket(7)), taken when
 * the connection is accepted; later changes of the peer's process do not matter. */

#include <sys/types.h>

#include "base/macros.h"

typedef struct WirePeer {
        pid_t pid;
        uid_t uid;
        gid_t gid;
        gid_t *groups; /* owned */
        size_t n_groups;
} WirePeer;

int wire_peer_init(WirePeer *peer, int fd); /* 0 or -errno */
int wire_peer_copy(const WirePeer *peer, WirePeer *ret);
void wire_peer_done(WirePeer *peer);
bool wire_peer_in_group(const WirePeer *peer, gid_t group);
