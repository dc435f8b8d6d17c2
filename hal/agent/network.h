/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The guest's network: lo, and eth0 by DHCP; where nobody leases, the address that QEMU's user-mode
 * network forwards to. */

/* Brings up lo, and eth0 where there is one: returns when it has its address (at most a few
 * seconds); a process that renews the lease goes on. */
void network_start(void);
