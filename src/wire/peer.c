/* SPDX-License-Identifier: Apache-2.0 */
#include "wire/peer.h"

#include <string.h>
#include <sys/socket.h>

/* SO_PEERGROUPS reports the size it requires with ERANGE; the groups of a connection never
 * change. */
static int peer_groups(int fd, gid_t **ret, size_t *ret_n)
{
        _cleanup_free_ gid_t *groups = NULL;
        socklen_t size = 0;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, NULL, &size) == 0)
                goto none;
        if (errno == ENODATA)
                goto none;
        if (errno != ERANGE)
                return -errno;

        groups = malloc(size);
        if (!groups)
                return -ENOMEM;
        if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &size) < 0)
                return -errno;
        *ret = TAKE_PTR(groups);
        *ret_n = size / sizeof(gid_t);
        return 0;
none:
        *ret = NULL;
        *ret_n = 0;
        return 0;
}

int wire_peer_init(WirePeer *peer, int fd)
{
        struct ucred credentials;
        socklen_t size = sizeof(credentials);
        gid_t *groups = NULL;
        size_t n_groups = 0;
        int r;

        if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &credentials, &size) < 0)
                return -errno;
        r = peer_groups(fd, &groups, &n_groups);
        if (r < 0)
                return r;

        *peer = (WirePeer){
                .pid = credentials.pid,
                .uid = credentials.uid,
                .gid = credentials.gid,
                .groups = groups,
                .n_groups = n_groups,
        };
        return 0;
}

int wire_peer_copy(const WirePeer *peer, WirePeer *ret)
{
        WirePeer copy = *peer;

        copy.groups = NULL;
        if (peer->n_groups) {
                copy.groups = malloc(peer->n_groups * sizeof(gid_t));
                if (!copy.groups)
                        return -ENOMEM;
                memcpy(copy.groups, peer->groups, peer->n_groups * sizeof(gid_t));
        }
        *ret = copy;
        return 0;
}

void wire_peer_done(WirePeer *peer)
{
        free(peer->groups);
        *peer = (WirePeer){};
}

bool wire_peer_in_group(const WirePeer *peer, gid_t group)
{
        if (peer->gid == group)
                return true;
        for (size_t i = 0; i < peer->n_groups; i++)
                if (peer->groups[i] == group)
                        return true;
        return false;
}
