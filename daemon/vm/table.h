/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/* The CVMs of a daemon, sorted by name; the table holds a reference of each. */

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "local/config.h"

typedef struct Vm Vm;

typedef struct VmTable {
        Vm **vms;
        Vm **by_id; /* the same, sorted by id */
        size_t n, allocated;
} VmTable;

/* NULL if there is none. Borrowed. */
Vm *vm_table_find(const VmTable *table, const char *name);
Vm *vm_table_find_id(const VmTable *table, const char *id);
/* A live one, as is the next. */
Vm *vm_table_find_cid(const VmTable *table, uint32_t cid);

Vm *vm_table_find_uid(const VmTable *table, uid_t uid);

/* The index of the first CVM whose name comes after this one; NULL: of the first of all. */
size_t vm_table_after(const VmTable *table, const char *name);

/* CVMs keep their uids if the configured range changes: a user who may act as one of them could
 * take its QEMU over. Refuses (-EINVAL, with a message) subordinate ranges of the
 * configuration that have the uid of a live CVM. */
int vm_table_check_uids(const VmTable *table, const Config *config, char **ret_message);

/* Takes a reference. -EEXIST: the name is taken; -ENOMEM. */
int vm_table_add(VmTable *table, Vm *vm);
/* Drops the reference of a CVM that is in the table. */
void vm_table_remove(VmTable *table, const Vm *vm);
/* Frees what an empty table has. */
void vm_table_done(VmTable *table);

/* The CVM at *index, or NULL; moves *index behind it. */
Vm *vm_table_next(const VmTable *table, size_t *index);
/* The live CVM at *index or after it, or NULL; moves *index behind it. */
Vm *vm_table_next_live(const VmTable *table, size_t *index);

/* Each CVM, ended ones included, in `vm`; likewise. */
#define VM_TABLE_FOREACH(vm, table) for (size_t index_ = 0; ((vm) = vm_table_next(table, &index_));)

/* Each live CVM, in `vm`. The table must not change meanwhile. */
#define VM_TABLE_FOREACH_LIVE(vm, table)                                                           \
        for (size_t index_ = 0; ((vm) = vm_table_next_live(table, &index_));)
