/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/gpus.h"

#include <string.h>

#include "base/json.h"
#include "vm/vm.h"

bool gpus_has(const Vm *vm, const char *address)
{
        for (size_t i = 0; i < vm->reserved.n_gpus; i++)
                if (strcmp(vm->reserved.gpus[i], address) == 0)
                        return true;
        return false;
}

int gpus_add(Vm *vm, const char *address)
{
        char *copy = strdup(address);

        if (!copy)
                return -ENOMEM;
        vm->reserved.gpus[vm->reserved.n_gpus++] = copy;
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
                    gpus_add(vm, address) < 0)
                        return false;
        }
        return true;
}
