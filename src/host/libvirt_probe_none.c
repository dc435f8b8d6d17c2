/* SPDX-License-Identifier: Apache-2.0 */

/* Instead of libvirt_probe.c in a build without libvirt. */

#include "host/libvirt_probe.h"

#include <string.h>

int libvirt_probe(const char *uri, LibvirtFacts *ret, char **ret_reason)
{
        *ret_reason = strdup("this build does not have driver libvirt");
        return -ENOSYS;
}
