/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The driver qemu: the hypervisor is a child of the daemon, which controls it over QMP. */

#include "driver/driver.h"

extern const DriverOps driver_qemu;
