/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The power button: an input device of which the kernel's ACPI button driver makes key presses. */

#include "base/macros.h"

#define POWER_DEVICES_MAX 16

typedef struct Power {
        int fds[POWER_DEVICES_MAX]; /* -1, which poll(2) skips: the device has gone */
        size_t n_fds;
} Power;

/* Opens all input devices. */
void power_open(Power *power);

/* Reads what a device has; whether the power key was pressed. Closes a device that has gone and
 * sets *fd to -1. */
bool power_is_pressed(int *fd);
