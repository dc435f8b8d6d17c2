/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/disks.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/text.h"
#include "spec/spec.h"

bool disk_holds_conflict(const DiskHold *a, const DiskHold *b)
{
        return (a->writable || b->writable) && disk_identity_equal(&a->identity, &b->identity);
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

json_object *disks_to_json(const DiskHold *disks, size_t n)
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

bool disks_from_json(json_object *array, DiskHold **ret, size_t *ret_n)
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
