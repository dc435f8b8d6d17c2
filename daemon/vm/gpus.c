/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/gpus.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "manager/manager.h"

static bool has_gpu(const Vm *vm, const char *address)
{
        for (size_t i = 0; i < vm->n_gpus; i++)
                if (strcmp(vm->gpus[i], address) == 0)
                        return true;
        return false;
}

static int take(Vm *vm, const char *address)
{
        char *copy = strdup(address);

        if (!copy)
                return -ENOMEM;
        vm->gpus[vm->n_gpus++] = copy;
        return 0;
}

int gpus_hold(Manager *manager, Vm *vm, const CvmSpec *spec, const WirePeer *peer, CvmError *error)
{
        for (size_t i = 0; i < spec->n_gpus; i++) {
                char resource[SPEC_GPU_SIZE + sizeof("gpu:")];

                for (size_t n = 0; n < manager->n_vms; n++) {
                        const Vm *other = manager->vms[n];

                        if (other == vm || !vm_state_is_live(other->state) ||
                            !has_gpu(other, spec->gpus[i]))
                                continue;
                        snprintf(resource, sizeof(resource), "gpu:%s", spec->gpus[i]);
                        return cvm_error_no_resources(
                                error, resource, 1, 0,
                                manager_holders_add(json_object_new_array(), manager, peer, other));
                }
        }
        for (size_t i = 0; i < spec->n_gpus; i++)
                if (take(vm, spec->gpus[i]) < 0)
                        return cvm_error_system(error, -ENOMEM, "hold the GPUs");
        return 0;
}

bool gpus_from_spec(Vm *vm)
{
        json_object *array = json_member(vm->spec, "gpus");
        size_t n;

        if (!array)
                return true;
        if (!json_object_is_type(array, json_type_array))
                return false;
        n = json_object_array_length(array);
        if (n > SPEC_GPUS_MAX)
                return false;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                char address[SPEC_GPU_SIZE];

                if (!json_object_is_type(item, json_type_string) ||
                    spec_gpu_parse(json_object_get_string(item), address) < 0 ||
                    take(vm, address) < 0)
                        return false;
        }
        return true;
}

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
                                               "list it in cvmd.conf under devices.gpus");
        r = host_check_vfio(root, address, &path, &check);
        if (r < 0 || !check.passed)
                return r < 0 ? r : host_check_list_add(&plan->missing, &check);
        r = add_device(plan, "/dev/vfio/vfio");
        return r < 0 ? r : add_device(plan, path);
}

int gpus_check(const Config *config, const char *root, const CvmSpec *spec, LaunchPlan *plan)
{
        int r = 0;

        for (size_t i = 0; r == 0 && i < spec->n_gpus; i++)
                r = check_one(config, root, spec->gpus[i], plan);
        return r;
}
