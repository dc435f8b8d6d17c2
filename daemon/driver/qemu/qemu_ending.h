/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* How a QEMU has ended: from what QMP reported before, and from its exit status. */

#include "driver/driver.h"

/* What the reason of a SHUTDOWN event says about the end. NULL: the event has no reason, and
 * reports an end all the same. */
EndingKind qemu_ending_of_shutdown(const char *reason);
/* What QEMU's state says about an end whose event was missed, or ENDING_NONE. */
EndingKind qemu_ending_of_state(RunState state);
/* The kind of DriverEnding. told: from one of the above, or ENDING_NONE; ending: has the exit
 * status, if that is known. */
EndingKind qemu_ending_conclude(EndingKind told, const DriverEnding *ending);
/* status: as of waitpid(2). */
void qemu_ending_set_status(DriverEnding *ending, int status);
