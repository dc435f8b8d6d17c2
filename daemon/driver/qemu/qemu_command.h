/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* A command to a QEMU of which a driver's caller awaits the answer. */

#include "driver/driver.h"
#include "qmp/qmp.h"

/* client NULL: QEMU has gone. 0, -ECONNRESET or -ENOMEM; after an error `done` never comes. */
int qemu_command(QmpClient *client, const char *name, DriverDone done, void *userdata);
