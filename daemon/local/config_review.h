/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a valid configuration names and this host does not have: programs, groups, network
 * interfaces, block devices, PCI devices. None of it keeps the daemon from starting, for it may
 * come later, so each is a warning at the start and for `cvmd --check-config`. */

#include "local/config.h"

/* `finding` is a line for a person, without its end, that names the field; borrowed. */
typedef void (*OnFinding)(const char *finding);

/* Calls on_finding for each thing that is missing. It looks at the file system and at the user
 * database, which may take time. */
void config_review(const Config *config, OnFinding on_finding);
