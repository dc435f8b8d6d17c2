/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/driver.h"

#include <string.h>

const DriverOps *const driver_all[] = {
        &driver_qemu,
#if HAVE_LIBVIRT
        &driver_libvirt,
#endif
        NULL,
};

const DriverOps *driver_find(const DriverHome *home, const char *name)
{
        for (const DriverOps *const *ops = home->all; *ops; ops++)
                if (strcmp(name, (*ops)->name) == 0)
                        return *ops;
        return NULL;
}
