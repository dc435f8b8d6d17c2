/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Notifications of guests over vsock (credential vmm.notify_socket, systemd.system-credentials(7)):
 * a stream connection a message, read to its end, at most VSOCK_MESSAGE_MAX bytes in VSOCK_MSEC.
 * The peer's CID says which CVM speaks: a guest can speak for itself alone, and a connection only
 * for the CVM that had its CID when it came.
 */

#include "manager/manager.h"

#define VSOCK_MESSAGE_MAX 4096u
#define VSOCK_MSEC 5000
#define VSOCK_CONNECTIONS_MAX 4u /* at a time of one guest; more are closed */

typedef struct VsockListener VsockListener;

/* Listens on a port of the kernel's choice and sets manager->notify_port. Returns 0 with *ret NULL
 * where the host has no vsock. */
int vsock_listen(Manager *manager, VsockListener **ret);
/* A connection of the guest with this CID. Takes fd (non-blocking); closes it if it is one too many
 * or of no CVM. */
void vsock_add(VsockListener *listener, int fd, uint32_t cid);
void vsock_close(VsockListener *listener); /* accepts NULL; frees in its time */
