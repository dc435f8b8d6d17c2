/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * What a starting daemon does with the records that the last one left.
 *
 * Ended CVMs are kept as they are. A launch that was in progress is undone: its caller is gone. It
 * leaves what any launch that fails leaves (launch.h), the older CVM of its name included. A live
 * CVM whose process is still the recorded one (pid and start time, this boot) is adopted, any other
 * is reported as lost. A record that a crash has torn or that the disk cannot read is
 * replaced by the version before it that is kept, if there is one. A file that is not a record of
 * ours is set aside as NAME.bad and never acted on (vm/vm/record.h). Directories in RUNTIME that
 * no live CVM owns are wiped, console logs of no CVM are removed. If memory or descriptors are
 * lacking, the start fails, and nothing is given up.
 */

#include "manager/manager.h"

int recover(Manager *manager, CvmError *error);

/* Whether a CVM of that id, or one that a newer daemon will know, has what lies in RUNTIME. */
bool recover_is_owned(const Manager *manager, const char *id);
