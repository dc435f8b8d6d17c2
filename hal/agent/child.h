/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The parts of the guest that may wait or fail are processes of the one program. */

#include <sys/types.h>

/* fork(), with the child's signals unblocked and its name (at most 15 characters) set. Logs a
 * failure. */
pid_t child_fork(const char *name);
