/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What the guest tells its host, as sd_notify(3) text: assignments such as READY=1, each with a
 * line feed after it.
 *
 * There are two ways, and each message takes those that the machine has: the virtio-serial port
 * named io.cvmd.notify, a byte stream, and the vsock address of credential vmm.notify_socket, one
 * connection a message. Each has a process of its own, so that a host that does not listen holds up
 * nobody; what it then gets too late or not at all is its loss.
 */

#include "base/macros.h"

#define NOTIFY_PORT_NAME "io.cvmd.notify"
#define NOTIFY_MESSAGE_MAX 512

#define NOTIFY_WAYS 2

typedef struct Notify {
        int fds[NOTIFY_WAYS]; /* to the process of each way; -1: none */
        int manager;          /* the service manager's socket; -1: none */
} Notify;

#define NOTIFY_NONE ((Notify){{-1, -1}, -1})

/* Starts the processes. They end when no process has the descriptors of `notify` any more and all
 * was said. */
void notify_start(Notify *notify);

/* Has the messages sent to the service manager, too, if there is one ($NOTIFY_SOCKET): that is the
 * manager in the guest, not the host. */
void notify_connect(Notify *notify);

void notify_send(const Notify *notify, const char *format, ...) _printf_(2, 3);

void notify_done(Notify *notify);

/* Waits at most about `msec` milliseconds until all was said: for a caller that has no other
 * children. */
void notify_finish(Notify *notify, int msec);
