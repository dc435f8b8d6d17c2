/* SPDX-License-Identifier: Apache-2.0 */
#pragma once

/*
 * The CVMs of a daemon, sorted by name; the table holds a reference of each.
 *
 * A name has one CVM. While a launch may yet replace an ended CVM of its name, that one is on the
 * shelf: it is found by its id alone, and is neither listed nor iterated over.
 */

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#include "local/config.h"

typedef struct Vm Vm;

typedef struct VmTable {
        Vm **vms;
        Vm **by_id; /* the same and those on the shelf, sorted by id */
        size_t n, n_ids;
        size_t allocated; /* of both */
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
/* Drops the reference of a CVM that is in the table or on its shelf. */
void vm_table_remove(VmTable *table, const Vm *vm);
/* Puts a CVM that is in the table on the shelf: its name is free. */
void vm_table_shelve(VmTable *table, const Vm *vm);
/* Takes it from the shelf. Returns whether it is in the table again: its name must be free, and it
 * may have been removed meanwhile. */
bool vm_table_unshelve(VmTable *table, Vm *vm);
/* Whether it is in the table or on the shelf. */
bool vm_table_has(const VmTable *table, const Vm *vm);
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
