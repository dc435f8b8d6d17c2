/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The small image's first process: makes the system usable, starts the agent and keeps it, and ends
 * the machine when it is asked to. It waits for nobody: whatever may block is a process of its own.
 */

/* Returns never. */
_Noreturn void init_run(void);
