/* SPDX-License-Identifier: Apache-2.0 */

/* What is the same for all drivers: how they are found and set up, and the words for what a
 * hypervisor does. */

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
        if (drivers->closed)
                return;
        drivers->closed = true;
        for (size_t i = 0; i < DRIVERS_MAX; i++) {
                DriverHome *home = drivers->homes[i];

                if (home && home->ops->home_close)
                        home->ops->home_close(home);
        }
}

void drivers_free(Drivers *drivers)
{
        for (size_t i = 0; i < DRIVERS_MAX; i++) {
                DriverHome *home = TAKE_PTR(drivers->homes[i]);

                if (home && home->ops->home_free)
                        home->ops->home_free(home);
                else
                        free(home);
        }
}

DriverHome *drivers_home(const Drivers *drivers, const DriverOps *ops)
{
        for (size_t i = 0; ops && !drivers->closed && i < DRIVERS_MAX; i++)
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
        if (probe && probe->ops->probe_free)
                probe->ops->probe_free(probe);
        else
                free(probe);
        return NULL;
}

static const char *const run_state_names[_RUN_STATE_MAX] = {
        [RUN_STATE_UNKNOWN] = "unknown",
        [RUN_STATE_RUNNING] = "running",
        [RUN_STATE_PAUSED] = "paused",
        [RUN_STATE_IO_ERROR] = "io-error",
        [RUN_STATE_INTERNAL_ERROR] = "internal-error",
        [RUN_STATE_SHUTDOWN] = "shutdown",
        [RUN_STATE_GUEST_PANICKED] = "guest-panicked",
        [RUN_STATE_PRELAUNCH] = "prelaunch",
        [RUN_STATE_SUSPENDED] = "suspended",
        [RUN_STATE_WATCHDOG] = "watchdog",
        [RUN_STATE_DEBUG] = "debug",
        [RUN_STATE_INMIGRATE] = "inmigrate",
        [RUN_STATE_POSTMIGRATE] = "postmigrate",
        [RUN_STATE_FINISH_MIGRATE] = "finish-migrate",
        [RUN_STATE_RESTORE_VM] = "restore-vm",
        [RUN_STATE_SAVE_VM] = "save-vm",
        [RUN_STATE_COLO] = "colo",
};

const char *run_state_name(RunState state)
{
        return run_state_names[state];
}

RunState run_state_parse(const char *name)
{
        for (RunState state = RUN_STATE_UNKNOWN + 1; state < _RUN_STATE_MAX; state++)
                if (strcmp(run_state_names[state], name) == 0)
                        return state;
        return RUN_STATE_UNKNOWN;
}
