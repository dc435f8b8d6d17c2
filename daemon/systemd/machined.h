/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * Registration with systemd-machined: one request at a time, in the background. What fails is
 * logged; a CVM runs as well without.
 *
 * Over Varlink (io.systemd.Machine.Register at /run/systemd/machine/io.systemd.Machine) where
 * machined listens there, with the control address where it knows of one (from systemd 261 on);
 * else over D-Bus (org.freedesktop.machine1(5), RegisterMachineWithNetwork), which also starts it.
 * machined finds the unit of a machine by its leader, and drops a machine whose leader has gone.
 */

#include "base/macros.h"
#include "systemd/bus.h"

#define MACHINE_NAME_MAX 64 /* bytes: a machine's name is a host name (hostname(7)) */

typedef struct Machined Machined;

typedef struct MachineSpec {
        const char *name; /* of the CVM, for the log */
        const char *id;   /* UUID */
        pid_t leader;
        uint32_t vsock_cid;  /* 0: none */
        const char *control; /* path of the control socket */
} MachineSpec;

/* path: machined's socket; the bus is borrowed. NULL: no memory. */
Machined *machined_new(uv_loop_t *loop, Bus *bus, const char *path);
/* Accepts NULL; returns NULL. */
Machined *machined_free(Machined *machined);
/* Copies. A machine that is registered already, with this leader, stays. */
void machined_register(Machined *machined, const MachineSpec *spec);
/* The leader has gone: what waits is not sent any more. */
void machined_forget(Machined *machined, const char *id);

/* "cvm-NAME" as a host name, or with a part of the id behind it for the case that there is one;
 * buffer holds MACHINE_NAME_MAX + 1 bytes. */
void machined_name(const char *name, const char *id, bool with_id, char *buffer);
