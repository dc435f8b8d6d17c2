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

/* The index of the first CVM whose id is not before this one. */
static size_t table_search_id(const VmTable *table, const char *id)
{
        size_t low = 0, high = table->n_ids;

        while (low < high) {
                size_t middle = low + (high - low) / 2;

                if (strcmp(table->by_id[middle]->id, id) < 0)
                        low = middle + 1;
                else
                        high = middle;
        }
        return low;
}

Vm *vm_table_find_id(const VmTable *table, const char *id)
{
        size_t i = table_search_id(table, id);

        return i < table->n_ids && strcmp(table->by_id[i]->id, id) == 0 ? table->by_id[i] : NULL;
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

static int table_grow(Vm ***vms, size_t n)
{
        Vm **grown = reallocarray(*vms, n, sizeof(*grown));

        if (!grown)
                return -ENOMEM;
        *vms = grown;
        return 0;
}

static void table_insert(Vm **vms, size_t n, size_t at, Vm *vm)
{
        memmove(vms + at + 1, vms + at, (n - at) * sizeof(*vms));
        vms[at] = vm;
}

static void table_take_out(Vm **vms, size_t n, size_t at)
{
        memmove(vms + at, vms + at + 1, (n - at - 1) * sizeof(*vms));
}

int vm_table_add(VmTable *table, Vm *vm)
{
        bool found;
        size_t i = table_search(table, vm->name, &found);

        if (found)
                return -EEXIST;
        if (table->n_ids == table->allocated) {
                size_t n = table->allocated ? table->allocated * 2 : 16;

                if (table_grow(&table->vms, n) < 0 || table_grow(&table->by_id, n) < 0)
                        return -ENOMEM;
                table->allocated = n;
        }
        table_insert(table->by_id, table->n_ids++, table_search_id(table, vm->id), vm);
        table_insert(table->vms, table->n++, i, vm_ref(vm));
        return 0;
}

/* The index of this CVM among the ids; n_ids: it is not there. */
static size_t table_find_exactly(const VmTable *table, const Vm *vm)
{
        size_t i = table_search_id(table, vm->id);

        /* another one of the same id may be next to it */
        while (i < table->n_ids && table->by_id[i] != vm)
                i = strcmp(table->by_id[i]->id, vm->id) == 0 ? i + 1 : table->n_ids;
        return i;
}

bool vm_table_has(const VmTable *table, const Vm *vm)
{
        return table_find_exactly(table, vm) < table->n_ids;
}

void vm_table_shelve(VmTable *table, const Vm *vm)
{
        bool found;
        size_t i = table_search(table, vm->name, &found);

        if (found && table->vms[i] == vm)
                table_take_out(table->vms, table->n--, i);
}

bool vm_table_unshelve(VmTable *table, Vm *vm)
{
        bool found;
        size_t i = table_search(table, vm->name, &found);

        if (found || !vm_table_has(table, vm))
                return false;
        table_insert(table->vms, table->n++, i, vm);
        return true;
}

void vm_table_remove(VmTable *table, const Vm *vm)
{
        size_t i = table_find_exactly(table, vm);
        Vm *own;

        if (i == table->n_ids)
                return;
        vm_table_shelve(table, vm);
        own = table->by_id[i];
        table_take_out(table->by_id, table->n_ids--, i);
        vm_unref(own);
}

void vm_table_done(VmTable *table)
{
        free(table->vms);
        free(table->by_id);
        *table = (VmTable){};
}

Vm *vm_table_next(const VmTable *table, size_t *index)
{
        return *index < table->n ? table->vms[(*index)++] : NULL;
}

Vm *vm_table_next_live(const VmTable *table, size_t *index)
{
        Vm *vm;

        while ((vm = vm_table_next(table, index)))
                if (vm_state_is_live(vm->state))
                        break;
        return vm;
}

int vm_table_check_uids(const VmTable *table, const Config *config, char **ret_message)
{
        const Vm *vm;

        VM_TABLE_FOREACH_LIVE (vm, table) {
                int r = vm->reserved.uid == 0
                                ? 0
                                : subuids_check(config->subuids, config->subuids_path,
                                                vm->reserved.uid, vm->reserved.uid, ret_message);

                if (r < 0)
                        return r;
        }
        return 0;
}
