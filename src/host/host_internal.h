/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this layer share. Paths are absolute, as on a real host, and read below root.
 */

#include "host/host.h"

/* Reads a file; NULL if it is absent, not readable or without memory. */
char *host_read_file(const char *root, const char *path);
bool host_file_exists(const char *root, const char *path);

/* Fill the facts of their subject; 0 or -ENOMEM. KVM goes by what the CPU's probe found. */
int host_probe_cpu(const char *root, HostFacts *facts);
int host_probe_kvm(const char *root, HostFacts *facts);
