/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "vm/table.h"
#include "vm/vm.h"

#define FIRST "01234567-89ab-4def-8123-456789abcdef"
#define SECOND "01234567-89ab-4def-8123-456789abcdf0"

/* In a table that has the last reference of none. */
static Vm table_vm(const char *name, const char *id)
{
        return (Vm){.n_ref = 2, .name = (char *)name, .id = (char *)id, .state = VM_STOPPED};
}

/* One of a name is found by it, and the other only by its id. */
static void test_shelf(void **state)
{
        Vm old = table_vm("web", FIRST), new = table_vm("web", SECOND), *vm;
        VmTable table = {};
        size_t n = 0;

        assert_int_equal(vm_table_add(&table, &old), 0);
        assert_int_equal(vm_table_add(&table, &new), -EEXIST);
        vm_table_shelve(&table, &old);
        assert_null(vm_table_find(&table, "web"));
        assert_ptr_equal(vm_table_find_id(&table, FIRST), &old);
        assert_true(vm_table_has(&table, &old));
        assert_int_equal(vm_table_add(&table, &new), 0);
        assert_ptr_equal(vm_table_find(&table, "web"), &new);
        VM_TABLE_FOREACH (vm, &table) {
                assert_ptr_equal(vm, &new);
                n++;
        }
        assert_int_equal(n, 1);
        vm_table_unshelve(&table, &old); /* the name is not free */
        assert_ptr_equal(vm_table_find(&table, "web"), &new);
        vm_table_shelve(&table, &old); /* not in its place */
        assert_ptr_equal(vm_table_find(&table, "web"), &new);
        vm_table_remove(&table, &new);
        assert_false(vm_table_has(&table, &new));
        vm_table_unshelve(&table, &old);
        assert_ptr_equal(vm_table_find(&table, "web"), &old);
        vm_table_shelve(&table, &old);
        vm_table_remove(&table, &old);
        assert_int_equal(table.n_ids, 0);
        assert_int_equal(old.n_ref, 2); /* the table had one for each time */
        assert_int_equal(new.n_ref, 2);
        vm_table_unshelve(&table, &old); /* it is not there any more */
        assert_null(vm_table_find(&table, "web"));
        vm_table_done(&table);
}

/* Two of one id: each is the one that it is. */
static void test_same_id(void **state)
{
        Vm old = table_vm("web", FIRST), new = table_vm("web", FIRST);
        VmTable table = {};

        assert_int_equal(vm_table_add(&table, &old), 0);
        vm_table_shelve(&table, &old);
        assert_int_equal(vm_table_add(&table, &new), 0);
        vm_table_remove(&table, &old);
        assert_false(vm_table_has(&table, &old));
        assert_ptr_equal(vm_table_find_id(&table, FIRST), &new);
        assert_ptr_equal(vm_table_find(&table, "web"), &new);
        vm_table_remove(&table, &new);
        assert_null(vm_table_find_id(&table, FIRST));
        vm_table_done(&table);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test(test_shelf),
                cmocka_unit_test(test_same_id),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
