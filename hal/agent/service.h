/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The program as services of a service manager (systemd), one each; all but `ended` run until they
 * are asked to end by SIGTERM. Each returns its exit status. */

/* The agent. It says READY to the service manager, too, and STOPPING when it is asked to end. */
int service_serve(void);

/* The network, see network.h; READY to the service manager once that is configured. */
int service_network(void);

/* Asks the service manager to power off when the power button is pressed. */
int service_power(void);

/* After the agent has ended: says so unless it was asked to ($SERVICE_RESULT). */
int service_ended(void);
