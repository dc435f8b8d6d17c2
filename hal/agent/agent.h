/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The agent: answers on TCP port 7002 what this guest sees of itself, see cvm-guest(7). */

#include "notify.h"
#include "share.h"

#define AGENT_PORT 7002
#define AGENT_ENVIRONMENT "/etc/cocos/environment"

/* Reads the environment, listens, says READY and serves until `stop` (-1: none) is readable.
 * Returns 0 then, or -errno. */
int agent_run(const Shares *shares, const Notify *notify, int stop);
