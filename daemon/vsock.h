/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Notifications of guests over vsock (credential vmm.notify_socket, systemd.system-credentials(7)):
 * a stream connection a message, read to its end, at most VSOCK_MESSAGE_MAX bytes in VSOCK_MSEC.
 * The peer's CID says which CVM speaks: a guest can speak for itself alone.
 */

#include "manager.h"

#define VSOCK_MESSAGE_MAX 4096u
#define VSOCK_MSEC 5000
#define VSOCK_CONNECTIONS_MAX 64u

typedef struct VsockListener VsockListener;

/* Listens on a port of the kernel's choice and sets manager->notify_port. Returns 0 with *ret NULL
 * where the host has no vsock. */
int vsock_listen(Manager *manager, VsockListener **ret);
void vsock_close(VsockListener *listener); /* accepts NULL; frees in its time */
