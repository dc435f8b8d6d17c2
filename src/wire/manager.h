/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The text of io.cvmd.Manager.varlink, the contract of the daemon's API, as embedded by
 * the build. */

extern const char wire_manager_interface[];
/* Likewise io.systemd.MachineInstance.varlink, of a CVM's control socket. */
extern const char wire_machine_interface[];
