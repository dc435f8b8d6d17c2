/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Host ports, reserved until QEMU has them.
 *
 * A TCP port is reserved by a bound socket that never listens and whose SO_REUSEADDR is set after
 * the bind: the kernel gives the port only to sockets that set SO_REUSEADDR first, as QEMU does.
 * Two such programs can still meet; the one that listens second fails, which is noticed when QEMU
 * starts. A UDP port cannot be reserved in this way: it is bound once and released.
 */

#include "base/error.h"
#include "spec/spec.h"

typedef struct PortRange {
        uint16_t first, last;
} PortRange;

typedef struct PortHold {
        int fd; /* owned; -1: nothing is held */
        uint16_t port;
} PortHold;

/* wanted 0: any free port of the range, the search continues at *cursor and moves it. A wanted port
 * need not be in the range; connections of a server that is gone do not stand in its way, and as
 * long as there are some neither does another hold: look at the CVMs' own forwards first. Returns
 * 0, -ENOSPC with NoResources (resource "port"; wanted: the port, or 1; available: 0), or -EINVAL
 * with InvalidSpec (field "forwards": not an address of this host, a privileged port). */
int ports_hold(const PortRange *range, uint16_t *cursor, const char *address, uint16_t wanted,
               SpecProtocol protocol, PortHold *ret, CvmError *error);
/* Idempotent, also on a zeroed hold with port 0. */
void port_hold_release(PortHold *hold);
