/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/vm_reserved.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"

bool disk_holds_conflict(const DiskHold *a, const DiskHold *b)
{
        return (a->writable || b->writable) && disk_identity_equal(&a->identity, &b->identity);
}

json_object *disk_holds_to_json(const DiskHold *disks, size_t n)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < n; i++) {
                const DiskHold *hold = &disks[i];

                json_object_array_add(
                        array,
                        json_build("device", json_object_new_uint64(hold->identity.device), "inode",
                                   json_object_new_uint64(hold->identity.inode), "block",
                                   json_object_new_boolean(hold->identity.block), "writable",
                                   json_object_new_boolean(hold->writable), NULL));
        }
        return array;
}

bool disk_holds_from_json(json_object *array, DiskHold **ret, size_t *ret_n)
{
        _cleanup_free_ DiskHold *disks = NULL;
        size_t n;

        if (array && !json_object_is_type(array, json_type_array))
                return false;
        n = array ? json_object_array_length(array) : 0;
        disks = n <= SPEC_DISKS_MAX ? calloc(n + 1, sizeof(*disks)) : NULL;
        if (!disks)
                return false;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                json_object *device = json_member(item, "device");
                json_object *inode = json_member(item, "inode");

                if (!json_object_is_type(device, json_type_int) ||
                    !json_object_is_type(inode, json_type_int))
                        return false;
                /* what is not known as harmless counts as written */
                disks[i] =
                        (DiskHold){{json_member_bool(item, "block", false),
                                    json_object_get_uint64(device), json_object_get_uint64(inode)},
                                   json_member_bool(item, "writable", true)};
        }
        *ret = TAKE_PTR(disks);
        *ret_n = n;
        return true;
}

void vm_reserved_init(VmReserved *reserved)
{
        *reserved = (VmReserved){.vsock_fd = -1};
}

void vm_reserved_drop_holds(VmReserved *reserved)
{
        for (size_t i = 0; i < reserved->n_forwards; i++)
                port_hold_release(&reserved->holds[i]);
        if (reserved->vsock_fd >= 0)
                close(TAKE_FD(reserved->vsock_fd));
}

void vm_reserved_hold_cid(VmReserved *reserved, int fd)
{
        closep(&reserved->vsock_fd);
        reserved->vsock_fd = fd;
        reserved->vsock_is_real = fd >= 0;
}

void vm_reserved_done(VmReserved *reserved)
{
        vm_reserved_drop_holds(reserved);
        for (size_t i = 0; i < reserved->n_forwards; i++)
                free(reserved->forwards[i].address);
        free(reserved->forwards);
        free(reserved->holds);
        free(reserved->disks);
        for (size_t i = 0; i < reserved->n_gpus; i++)
                free(reserved->gpus[i]);
}

int vm_reserved_set_forwards(VmReserved *reserved, const SpecForward *forwards, size_t n)
{
        reserved->forwards = calloc(n + 1, sizeof(*reserved->forwards));
        reserved->holds = calloc(n + 1, sizeof(*reserved->holds));
        if (!reserved->forwards || !reserved->holds)
                return -ENOMEM;
        for (size_t i = 0; i < n; i++) {
                reserved->forwards[i] = forwards[i];
                reserved->forwards[i].address = strdup(forwards[i].address);
                reserved->holds[i].fd = -1;
                reserved->n_forwards++;
                if (!reserved->forwards[i].address)
                        return -ENOMEM;
        }
        return 0;
}

void vm_reserved_set_disks(VmReserved *reserved, DiskHold *holds, size_t n)
{
        free(reserved->disks);
        reserved->disks = holds;
        reserved->n_disks = n;
}

bool vm_reserved_has_gpu(const VmReserved *reserved, const char *address)
{
        for (size_t i = 0; i < reserved->n_gpus; i++)
                if (strcmp(reserved->gpus[i], address) == 0)
                        return true;
        return false;
}

int vm_reserved_add_gpu(VmReserved *reserved, const char *address)
{
        char *copy = strdup(address);

        if (!copy)
                return -ENOMEM;
        reserved->gpus[reserved->n_gpus++] = copy;
        return 0;
}

static bool load_gpus(VmReserved *reserved, json_object *array)
{
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
                    vm_reserved_add_gpu(reserved, address) < 0)
                        return false;
        }
        return true;
}

bool vm_reserved_load(VmReserved *reserved, json_object *record)
{
        reserved->uid = (uid_t)json_member_int(record, "uid", 0);
        reserved->vsock_cid = (uint32_t)json_member_int(record, "vsockCid", 0);
        return load_gpus(reserved, json_member(json_member(record, "spec"), "gpus"));
}
