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

/* How guests are slowed down that flood these (members of StreamCallbacks): logs may be as quick as
 * files, and a guest has a few lines to notify of. */
#define QEMU_LOG_PACE .much = 32768, .pause_msec = 1
#define QEMU_NOTIFY_PACE .much = 1024, .pause_msec = 50

/* "qmp", "console", "notify", "svsm-log": the file's name, and the descriptor's in a plan. */
const char *qemu_socket_name(QemuSocket which);
/* Both return a CLOEXEC descriptor or -errno. */
int qemu_socket_listen(int dirfd, QemuSocket which);
int qemu_socket_connect(int dirfd, QemuSocket which);
/* The connection that was kept while no daemon ran (fdstore.h), or a new one, which will be
 * kept. */
int qemu_socket_connect_kept(int dirfd, QemuSocket which, const char *id);
