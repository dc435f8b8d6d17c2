/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Why a QEMU has ended: from what QMP reported before, and from its exit status. */

#include "driver/driver.h"

/* Returns what QMP reported about the end, or NULL if nothing. An end without a reason is reported,
 * too. reason: that of the SHUTDOWN event, or QEMU's state where the event was missed; NULL:
 * neither. */
const char *qemu_ending_told(const char *reason, bool panicked);
/* The reason of DriverEnding. told: from qemu_ending_told(); ending: has the exit status, if that
 * is known. */
const char *qemu_ending_reason(const char *told, const DriverEnding *ending);
/* status: as of waitpid(2). */
void qemu_ending_set_status(DriverEnding *ending, int status);
