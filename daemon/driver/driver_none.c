/* SPDX-License-Identifier: Apache-2.0 */

/* Instead of driver_libvirt.c in a build without libvirt. */

#include "driver/driver_libvirt.h"

int libvirt_home_new(uv_loop_t *loop, const char *uri, LibvirtHome **ret)
{
        *ret = NULL;
        return 0;
}

int libvirt_home_begin(LibvirtHome *home)
{
        return -ENOSYS;
}

int libvirt_home_facts(LibvirtHome *home, const char *emulator, LibvirtFacts *ret,
                       char **ret_reason)
{
        return -ENOSYS;
}

bool libvirt_home_has_threads(void)
{
        return false;
}

void libvirt_home_close(LibvirtHome *home)
{
}
