/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Orphans: processes with uids of CVMs that no record explains, since their records are broken or
 * from a newer daemon. They are left alone, but the uid of an orphan is not given to a CVM. */

#include "manager/manager.h"

/* Looks for them, and logs each; for a root daemon that has recovered its CVMs. 0 or -errno. */
int orphans_find(Manager *manager);
/* Whether one had this uid when they were looked for. */
bool orphans_had(Manager *manager, uid_t uid);
/* Whether one has it, still: looks at all processes if one had it. */
bool orphans_have(Manager *manager, uid_t uid);
