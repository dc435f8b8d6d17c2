/* SPDX-License-Identifier: Apache-2.0 */
#include "test.h"

#include <string.h>

#include "base/list.h"
#include "leaks.h"

typedef struct Thing {
        char name;
        ListItem item;
} Thing;

typedef struct Fixture {
        List list;
        Thing things[4]; /* a to d, a the first */
        char seen[16];
} Fixture;

static Fixture *setup(Fixture *f)
{
        *f = (Fixture){};
        for (int i = 3; i >= 0; i--) {
                f->things[i].name = (char)('a' + i);
                list_add(&f->list, &f->things[i].item);
        }
        return f;
}

static void see(Fixture *f, const Thing *thing)
{
        f->seen[strlen(f->seen)] = thing->name;
}

static void test_walk(void **state)
{
        Fixture fixture, *f = setup(&fixture);
        Thing *thing;

        list_foreach (thing, &f->list, item)
                see(f, thing);
        assert_string_equal(f->seen, "abcd");
        list_remove(&f->things[1].item);
        list_remove(&f->things[1].item); /* does nothing */
        list_foreach (thing, &f->list, item) {
                if (thing->name == 'd')
                        break;
                see(f, thing);
        }
        assert_string_equal(f->seen, "abcdac");
        assert_null(f->list.walks); /* also after a break */
        list_clear(&f->list);
        assert_null(f->list.first);
        list_add(&f->list, &f->things[1].item);
        assert_ptr_equal(f->list.first, &f->things[1].item);
}

static void test_removal_in_a_walk(void **state)
{
        Fixture fixture, *f = setup(&fixture);
        Thing *thing;

        list_foreach (thing, &f->list, item) {
                see(f, thing);
                if (thing->name != 'b')
                        continue;
                list_remove(&f->things[1].item); /* the current one */
                list_remove(&f->things[0].item); /* one that was visited */
                list_remove(&f->things[2].item); /* the next one */
        }
        assert_string_equal(f->seen, "abd");
}

static void test_removal_in_a_nested_walk(void **state)
{
        Fixture fixture, *f = setup(&fixture);
        Thing *outer;

        list_foreach (outer, &f->list, item) {
                Thing *inner;

                see(f, outer);
                list_foreach (inner, &f->list, item)
                        if (inner->name == 'b' || inner->name == 'c')
                                list_remove(&inner->item);
        }
        assert_string_equal(f->seen, "ad");
}

static void test_addition_in_a_walk(void **state)
{
        Fixture fixture, *f = setup(&fixture);
        Thing *thing;

        list_remove(&f->things[3].item);
        list_foreach (thing, &f->list, item) {
                see(f, thing);
                if (thing->name == 'b')
                        list_add(&f->list, &f->things[3].item);
        }
        assert_string_equal(f->seen, "abc");
}

static void test_clear_in_a_walk(void **state)
{
        Fixture fixture, *f = setup(&fixture);
        List *list = malloc(sizeof(*list));
        Thing *outer, *inner;

        assert_non_null(list);
        list_clear(&f->list);
        *list = (List){};
        list_add(list, &f->things[1].item);
        list_add(list, &f->things[0].item);
        list_foreach (outer, list, item) {
                see(f, outer);
                list_foreach (inner, list, item) {
                        see(f, inner);
                        list_clear(list);
                        free(list); /* no walk touches it any more */
                }
        }
        assert_string_equal(f->seen, "aa");
        assert_null(f->things[1].item.list);
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                leaks_unit_test(test_walk),
                leaks_unit_test(test_removal_in_a_walk),
                leaks_unit_test(test_removal_in_a_nested_walk),
                leaks_unit_test(test_addition_in_a_walk),
                leaks_unit_test(test_clear_in_a_walk),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
