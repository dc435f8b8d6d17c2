/* SPDX-License-Identifier: Apache-2.0 */
#include "driver/driver.h"

#include <stdlib.h>
#include <string.h>

#include "base/text.h"

const DriverOps *driver_find(const DriverOps *const *all, const char *name)
{
        for (const DriverOps *const *ops = all; *ops; ops++)
                if (strcmp(name, (*ops)->name) == 0)
                        return *ops;
        return NULL;
}

char *driver_names(const DriverOps *const *all)
{
        _cleanup_(buffer_done) Buffer names = {};

        for (const DriverOps *const *ops = all; *ops; ops++)
                if (buffer_appendf(&names, "%s%s", ops == all ? "" : ", ", (*ops)->name) < 0)
                        return NULL;
        return buffer_take(&names);
}

static int driver_home_new(const DriverOps *ops, uv_loop_t *loop, const Config *config,
                           DriverHome **ret)
{
        if (ops->home_new)
                return ops->home_new(loop, config, ret);
        *ret = calloc(1, sizeof(**ret));
        if (!*ret)
                return -ENOMEM;
        **ret = (DriverHome){.ops = ops, .loop = loop};
        return 0;
}

int drivers_init(Drivers *drivers, const DriverOps *const *all, uv_loop_t *loop,
                 const Config *config)
{
        drivers->all = all;
        for (size_t i = 0; all[i]; i++) {
                int r = i < DRIVERS_MAX ? driver_home_new(all[i], loop, config, &drivers->homes[i])
                                        : -E2BIG;

                if (r < 0)
                        return r;
        }
        return 0;
}

void drivers_close(Drivers *drivers)
{
        for (size_t i = 0; i < DRIVERS_MAX; i++) {
                DriverHome *home = TAKE_PTR(drivers->homes[i]);

                if (home && home->ops->home_close)
                        home->ops->home_close(home);
                else
                        free(home);
        }
}

DriverHome *drivers_home(const Drivers *drivers, const DriverOps *ops)
{
        for (size_t i = 0; ops && i < DRIVERS_MAX; i++)
                if (drivers->homes[i] && drivers->homes[i]->ops == ops)
                        return drivers->homes[i];
        return NULL;
}

DriverHome *drivers_find(const Drivers *drivers, const char *name)
{
        return drivers_home(drivers, driver_find(drivers->all, name));
}

gid_t drivers_gid(const Drivers *drivers)
{
        for (size_t i = 0; i < DRIVERS_MAX; i++)
                if (drivers->homes[i] && drivers->homes[i]->gid)
                        return drivers->homes[i]->gid;
        return 0;
}

bool drivers_have_threads(const DriverOps *const *all)
{
        for (const DriverOps *const *ops = all; *ops; ops++)
                if ((*ops)->has_threads && (*ops)->has_threads())
                        return true;
        return false;
}

DriverProbe *driver_probe_free(DriverProbe *probe)
{
        if (probe)
                probe->ops->probe_free(probe);
        return NULL;
}
