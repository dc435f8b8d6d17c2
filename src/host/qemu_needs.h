/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What a template requires of QEMU, compared with what a QEMU can do. */

#include "host/qemu_probe.h"

/*
 * Adds a failed check for each thing that `needs`, a template's requires.qemu (NULL: nothing),
 * wants and the probe lacks: objects, properties (object to names), devices, cpus, machines (name
 * to properties); providers (name to text) says what to install for each. A loaded template's has
 * that form. 0 or -ENOMEM.
 */
int qemu_needs_check(const QemuProbe *probe, const char *path, json_object *needs,
                     HostCheckList *missing);
