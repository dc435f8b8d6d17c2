/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* libvirt's library with its event loop, which a thread runs for as long as the process lives. */

#include "host/libvirt_calls.h"

/* Loads and starts what is not there yet; any thread, the same each time. NULL: it cannot be,
 * because of *ret_reason (static). */
const LibvirtCalls *libvirt_loop_start(const char **ret_reason);

/* Whether it was started. */
bool libvirt_loop_runs(void);

/* A detached thread that no signal reaches: all are the daemon's loop's. 0 or -errno. */
int libvirt_loop_thread(void *(*run)(void *), void *userdata);
