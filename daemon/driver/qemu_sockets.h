/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The sockets between the daemon and a QEMU, in the CVM's runtime directory: QEMU gets them
 * listening, by descriptor; the daemon connects by path, the first one as well as a later one. */

#include "base/macros.h"

typedef enum QemuSocket {
        QEMU_SOCKET_QMP,
        QEMU_SOCKET_CONSOLE,
        QEMU_SOCKET_NOTIFY,
        QEMU_SOCKET_SVSM_LOG, /* where the plan names it */
        _QEMU_SOCKET_MAX,
} QemuSocket;

/* "qmp", "console", "notify", "svsm-log": the file's name, and the descriptor's in a plan. */
const char *qemu_socket_name(QemuSocket which);
/* Both return a CLOEXEC descriptor or -errno. */
int qemu_socket_listen(int dirfd, QemuSocket which);
int qemu_socket_connect(int dirfd, QemuSocket which);
/* The connection that was kept while no daemon ran (fdstore.h), or a new one, which shall be. */
int qemu_socket_connect_kept(int dirfd, QemuSocket which, const char *id);
