/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A plan becomes a child process: each of its descriptors from what the launch has and from QEMU's
 * sockets, the ids of the CVM, and the groups of the devices that it opens by path. */

#include "driver/child.h"
#include "driver/driver.h"
#include "driver/qemu_sockets.h"

/* A driver's home that has what is the same for each QEMU. Returns 0 or -errno. */
int qemu_spawn_home_new(const DriverOps *ops, uv_loop_t *loop, DriverHome **ret);
void qemu_spawn_home_free(DriverHome *base);

/* home: one of those; sockets: listening, by QemuSocket; output: for what QEMU prints; all
 * borrowed. The child waits at its gate (child.h). LaunchFailed or SystemError; nothing is left
 * then. */
int qemu_spawn(DriverHome *home, const DriverStart *start, const int *sockets, int output,
               Child *ret, CvmError *error);
