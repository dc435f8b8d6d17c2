/* SPDX-License-Identifier: Apache-2.0 */
#include "launch/gpu_access.h"

#include <stdlib.h>
#include <string.h>

static int add_device(LaunchPlan *plan, const char *path)
{
        size_t n = 0;
        char **grown;

        for (; plan->devices && plan->devices[n]; n++)
                if (strcmp(plan->devices[n], path) == 0)
                        return 0;
        grown = reallocarray(plan->devices, n + 2, sizeof(*grown));
        if (!grown)
                return -ENOMEM;
        plan->devices = grown;
        grown[n] = strdup(path);
        grown[n + 1] = NULL;
        return grown[n] ? 0 : -ENOMEM;
}

static int check_one(const Config *config, const char *root, const char *address, LaunchPlan *plan)
{
        _cleanup_(host_check_done) HostCheck check = {};
        _cleanup_free_ char *path = NULL;
        int r;

        if (!config_allows_gpu(config, address))
                return host_check_list_add_new(&plan->missing, "gpu", address,
                                               "a device that cvmd.conf allows", false,
                                               "add it to devices.gpus in cvmd.conf");
        r = host_check_vfio(root, address, &path, &check);
        if (r < 0 || !check.passed)
                return r < 0 ? r : host_check_list_add(&plan->missing, &check);
        r = add_device(plan, "/dev/vfio/vfio");
        return r < 0 ? r : add_device(plan, path);
}

int gpu_access_check(const Config *config, const char *root, const CvmSpec *spec, LaunchPlan *plan)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < spec->n_gpus; i++)
                r = check_one(config, root, spec->gpus[i], plan);
        return r;
}
