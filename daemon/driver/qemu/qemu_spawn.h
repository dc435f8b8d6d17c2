/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A plan becomes a child process: each of its descriptors from what the launch has and from QEMU's
 * sockets, the ids of the CVM, and the groups of the devices that it opens by path. */

#include "driver/child.h"
#include "driver/driver.h"
#include "driver/qemu_sockets.h"

/* sockets: listening, by QemuSocket; output: for what QEMU prints; all borrowed. The child is held
 * (child.h). LaunchFailed or SystemError; nothing is left then. */
int qemu_spawn(const DriverStart *start, const int *sockets, int output, Child *ret,
               CvmError *error);
