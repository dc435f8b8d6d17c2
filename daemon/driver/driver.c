/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/driver.h"

#include <string.h>

static const DriverOps *const drivers[] = {
        &driver_qemu,
#if HAVE_LIBVIRT
        &driver_libvirt,
#endif
};

const DriverOps *driver_find(const char *name)
{
        for (size_t i = 0; i < ARRAY_SIZE(drivers); i++)
                if (strcmp(name, drivers[i]->name) == 0)
                        return drivers[i];
        return NULL;
}
