/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Processes of the CVMs' uids of which no record tells: their records are broken, or a newer
 * daemon's. Nothing is done to them; but as long as one is there, its uid is not given to a CVM. */

#include "manager/manager.h"

/* Looks for them, and logs each; for a root daemon that has recovered its CVMs. 0 or -errno. */
int strays_find(Manager *manager);
/* Whether one has this uid, still. */
bool strays_have(Manager *manager, uid_t uid);
