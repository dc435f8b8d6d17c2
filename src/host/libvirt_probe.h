/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* Asks libvirt what it can do; a build without libvirt has libvirt_probe_none.c. */

#include "host/libvirt_facts.h"

/* From domain capabilities (virConnectGetDomainCapabilities(3)). 0, -EBADMSG, -ENOMEM or -ENOSYS
 * (no libxml2); version is left. Not in a build without libvirt. */
int libvirt_probe_parse(const char *xml, LibvirtFacts *ret);
/* Connects and asks: blocks. 0, or -errno with *ret_reason, for a person, owned by the caller; so
 * in a build without libvirt. */
int libvirt_probe(const char *uri, LibvirtFacts *ret, char **ret_reason);
