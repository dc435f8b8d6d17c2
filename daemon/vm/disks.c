/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/disks.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "manager/manager.h"

static bool conflicts(const DiskHold *a, const DiskHold *b)
{
        return (a->writable || b->writable) && disk_identity_equal(&a->identity, &b->identity);
}

/* The live CVM that stands in the way, or NULL. */
static const Vm *find_holder(const Manager *manager, const Vm *vm, const DiskHold *wanted)
{
        for (size_t i = 0; i < manager->n_vms; i++) {
                const Vm *other = manager->vms[i];

                for (size_t n = 0;
                     other != vm && vm_state_is_live(other->state) && n < other->n_disks; n++)
                        if (conflicts(&other->disks[n], wanted))
                                return other;
        }
        return NULL;
}

static int refuse_held(const Manager *manager, const char *id, const Vm *holder,
                       const WirePeer *peer, CvmError *error)
{
        char resource[SPEC_DISK_ID_MAX + sizeof("disk:")];

        snprintf(resource, sizeof(resource), "disk:%s", id);
        return cvm_error_no_resources(
                error, resource, 1, 0,
                manager_holders_add(json_object_new_array(), manager, peer, holder));
}

int disks_hold(Manager *manager, Vm *vm, const CvmSpec *spec, const DiskFile *files,
               const WirePeer *peer, CvmError *error)
{
        DiskHold *holds = calloc(spec->n_disks + 1, sizeof(*holds));
        int r = 0;

        if (!holds)
                return cvm_error_system(error, -ENOMEM, "hold the disks");
        for (size_t i = 0; r == 0 && i < spec->n_disks; i++) {
                const Vm *holder;

                holds[i] = (DiskHold){files[i].identity, !spec->disks[i].read_only};
                for (size_t n = 0; r == 0 && n < i; n++)
                        if (conflicts(&holds[n], &holds[i])) {
                                char field[32];

                                snprintf(field, sizeof(field), "disks[%zu]", i);
                                r = cvm_error_invalid_spec(
                                        error, field,
                                        "is the same as disks[%zu], and one of them is writable",
                                        n);
                        }
                holder = r == 0 ? find_holder(manager, vm, &holds[i]) : NULL;
                if (holder)
                        r = refuse_held(manager, spec->disks[i].id, holder, peer, error);
        }
        if (r < 0) {
                free(holds);
                return r;
        }
        free(vm->disks); /* of the launch before */
        vm->disks = holds;
        vm->n_disks = spec->n_disks;
        return 0;
}

/* QEMU's message has two lines: 'Failed to get shared "write" lock' and 'Is another process using
 * the image [/dev/fdset/0]?', with the number that the template gives to the disk. */
int disks_find_locked(const char *log, size_t n)
{
        static const char sign[] = "Is another process using the image [/dev/fdset/";
        const char *number = strstr(log, sign), *end;
        _cleanup_free_ char *digits = NULL;
        uint64_t index;

        if (!number || n == 0)
                return -1;
        number += strlen(sign);
        end = strchr(number, ']');
        digits = end ? strndup(number, (size_t)(end - number)) : NULL;
        return digits && text_parse_uint(digits, 0, n - 1, &index) == 0 ? (int)index : -1;
}

json_object *disks_to_json(const Vm *vm)
{
        json_object *array = json_object_new_array();

        for (size_t i = 0; i < vm->n_disks; i++) {
                const DiskHold *hold = &vm->disks[i];

                json_object_array_add(
                        array,
                        json_build("device", json_object_new_uint64(hold->identity.device), "inode",
                                   json_object_new_uint64(hold->identity.inode), "block",
                                   json_object_new_boolean(hold->identity.block), "writable",
                                   json_object_new_boolean(hold->writable), NULL));
        }
        return array;
}

bool disks_from_json(Vm *vm, json_object *array)
{
        size_t n;

        if (array && !json_object_is_type(array, json_type_array))
                return false;
        n = array ? json_object_array_length(array) : 0;
        if (n > SPEC_DISKS_MAX)
                return false;
        vm->disks = calloc(n + 1, sizeof(*vm->disks));
        if (!vm->disks)
                return false;
        for (size_t i = 0; i < n; i++) {
                json_object *item = json_object_array_get_idx(array, i);
                json_object *device = json_member(item, "device");
                json_object *inode = json_member(item, "inode");

                if (!json_object_is_type(device, json_type_int) ||
                    !json_object_is_type(inode, json_type_int))
                        return false;
                /* what is not known as harmless counts as written */
                vm->disks[vm->n_disks++] =
                        (DiskHold){{json_member_bool(item, "block", false),
                                    json_object_get_uint64(device), json_object_get_uint64(inode)},
                                   json_member_bool(item, "writable", true)};
        }
        return true;
}
