/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* What the files of this layer share. Paths are absolute, as on a real host, and read
 * below root. */

#include "host/host.h"

/* Reads a file; NULL if it is absent, not readable or without memory. */
char *host_read_file(const char *root, const char *path);
bool host_file_exists(const char *root, const char *path);
/* Whether a device can be opened: a node may be there without its module. */
bool host_file_opens(const char *root, const char *path);

/* Sets the result of a check and returns 0, or -ENOMEM; fix NULL means passed. */
int host_verdict(HostCheck *ret, const char *fix, const char *format, ...) _printf_(3, 4);

/* Checks of what runs out or must be started (check_resources.c). */
int host_check_sev_asids(const HostFacts *facts, HostCheck *ret);
int host_check_sev_es_asids(const HostFacts *facts, HostCheck *ret);
int host_check_tdx_keyids(const HostFacts *facts, HostCheck *ret);
int host_check_qgs(const HostFacts *facts, HostCheck *ret);
int host_check_memlock(const HostFacts *facts, HostCheck *ret);

/* Fill the facts of their subject; 0 or -ENOMEM. KVM goes by what the CPU's probe found. */
int host_probe_cpu(const char *root, HostFacts *facts);
int host_probe_kvm(const char *root, HostFacts *facts);
int host_probe_qgs(const char *root, HostFacts *facts);
void host_probe_msr(const char *root, HostFacts *facts);
void host_probe_sev_status(const char *root, HostFacts *facts);
void host_probe_memlock(const char *root, HostFacts *facts);
