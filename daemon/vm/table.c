/* SPDX-License-Identifier: Apache-2.0 */
#include "vm/table.h"

#include <stdlib.h>
#include <string.h>

#include "vm/vm.h"

/* The index of the name, or where it would be inserted (*ret_found false). */
static size_t table_search(const VmTable *table, const char *name, bool *ret_found)
{
        size_t low = 0, high = table->n;

        while (low < high) {
                size_t middle = low + (high - low) / 2;
                int order = strcmp(table->vms[middle]->name, name);

                if (order == 0) {
                        *ret_found = true;
                        return middle;
                }
                if (order < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        *ret_found = false;
        return low;
}

Vm *vm_table_find(const VmTable *table, const char *name)
{
        bool found;
        size_t i = table_search(table, name, &found);

        return found ? table->vms[i] : NULL;
}

size_t vm_table_after(const VmTable *table, const char *name)
{
        bool found = false;
        size_t i = name ? table_search(table, name, &found) : 0;

        return found ? i + 1 : i;
}

Vm *vm_table_find_id(const VmTable *table, const char *id)
{
        for (size_t i = 0; i < table->n; i++)
                if (strcmp(table->vms[i]->id, id) == 0)
                        return table->vms[i];
        return NULL;
}

Vm *vm_table_find_cid(const VmTable *table, uint32_t cid)
{
        Vm *vm;

        VM_TABLE_FOREACH_LIVE (vm, table)
                if (vm->reserved.vsock_cid == cid)
                        return vm;
        return NULL;
}

Vm *vm_table_find_uid(const VmTable *table, uid_t uid)
{
        Vm *vm;

        VM_TABLE_FOREACH_LIVE (vm, table)
                if (vm->reserved.uid == uid)
                        return vm;
        return NULL;
}

int vm_table_add(VmTable *table, Vm *vm)
{
        bool found;
        size_t i = table_search(table, vm->name, &found);

        if (found)
                return -EEXIST;
        if (table->n == table->allocated) {
                size_t n = table->allocated ? table->allocated * 2 : 16;
                Vm **grown = reallocarray(table->vms, n, sizeof(*grown));

                if (!grown)
                        return -ENOMEM;
                table->vms = grown;
                table->allocated = n;
        }
        memmove(table->vms + i + 1, table->vms + i, (table->n - i) * sizeof(*table->vms));
        table->vms[i] = vm_ref(vm);
        table->n++;
        return 0;
}

void vm_table_remove(VmTable *table, const Vm *vm)
{
        bool found;
        size_t i = table_search(table, vm->name, &found);
        Vm *own;

        if (!found || table->vms[i] != vm)
                return;
        own = table->vms[i];
        memmove(table->vms + i, table->vms + i + 1, (table->n - i - 1) * sizeof(*table->vms));
        table->n--;
        vm_unref(own);
}

Vm *vm_table_next_live(const VmTable *table, size_t *index)
{
        while (*index < table->n) {
                Vm *vm = table->vms[(*index)++];

                if (vm_state_is_live(vm->state))
                        return vm;
        }
        return NULL;
}
