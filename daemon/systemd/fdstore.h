/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Descriptors that systemd keeps while no daemon runs (FDSTORE=1, sd_pid_notify_with_fds(3)): the
 * connections to a QEMU's console and notify port. What the guest writes meanwhile waits in them;
 * without them, QEMU discards the console's output, and a guest that writes to the port is blocked.
 * systemd itself drops a descriptor whose QEMU has gone.
 *
 * Not QMP's: a new daemon starts that protocol again, with nothing half read. Not a pidfd: pid and
 * start time are on record.
 *
 * This is state of the process, like what systemd passes. Without systemd these functions do
 * nothing.
 */

#include "base/macros.h"

/* At start: takes what systemd passed, to numbers from FORK_RESERVED on, so that fork_reserve()
 * (base/fork.h) can be called next. *ret_listeners: those that are sockets to listen on, the array
 * newly allocated. 0 or -errno. */
int fdstore_init(int **ret_listeners, size_t *ret_n);
/* what: "console"; id: the CVM's UUID. Asks systemd to keep a copy; the descriptor is borrowed. */
void fdstore_put(const char *what, const char *id, int fd);
/* The one that was kept, now the caller's; -1: none. systemd still keeps its copy. */
int fdstore_take(const char *what, const char *id);
/* Once all that is found again has been taken: drops the rest. */
void fdstore_drop_rest(void);
